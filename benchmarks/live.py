"""A clip played through the server on this machine in real time: whether it keeps up, and what it costs.

    python benchmarks/live.py [--clip FILE] [--participants N] [--repeat N] [--engine NAME] [--json OUT]

The server is started as a user starts it, and each participant is a client of ``/v1/stream``, because that is what
somebody on a call is: 100 ms of 16 kHz sound at a time, each sent when its last sample would have been spoken, and
8 JPEG frames a second, at most 640 wide, as the page sends them. The clip is decoded and encoded before the clock
starts. Several participants start together, so their utterances end together: the worst case.

The latency is that of the first emotion of an utterance that was not taken back because speech went on. It is given
twice. The server's own figures leave out what waits between the client and the session. The client's begin when the
participant falls silent by its own clock, so they hold that too, and the sound's waiting for its message to be full.
"""

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from live_client import Messages, Played, ReceivedEvent, compose, play_all, record
from live_server import ROOT, Load, Meter, Server, ServerError, serving
from rich.console import Console
from rich.table import Table
from written import script_parser, write_json

from commands.measured import machine
from m2fnet_client import ClientError
from trainer.evaluation.text_tables import terminal_table
from wire.events import (
    Emotion,
    Error,
    Faces,
    SessionCreated,
    SessionUpdated,
    UtteranceDiscarded,
    UtteranceResumed,
    Warning,  # noqa: A004 - the protocol's word
)
from wire.settings import SegmenterSettings

_TOLD_FROM_MS: Final = 1_000  # shorter utterances have ended before an emotion is told while they go on


@dataclass(frozen=True)
class FirstEmotion:
    """Where the time from the end of speech to the first emotion went, in milliseconds."""

    text: str
    label: str
    client_ms: float
    server_ms: float
    endpoint_ms: float
    transcript_ms: float
    features_ms: float
    fusion_ms: float
    in_silence: bool
    """Whether a silence ended it; else it was cut from speech that went on, which is known only a sentence later."""

    @property
    def work_ms(self) -> float:
        """Return what the server needed, the endpoint's silence left out."""
        return self.server_ms - self.endpoint_ms


def first_emotions(heard: Sequence[ReceivedEvent]) -> list[FirstEmotion]:
    """Return the first emotion of each utterance that was not taken back."""
    first: dict[int, FirstEmotion] = {}
    segmenter = SegmenterSettings()
    for item in heard:
        match item.event:
            case SessionUpdated(settings=settings):
                segmenter = SegmenterSettings.model_validate(settings["segmenter"])
            case Emotion(speaking=False) as emotion if emotion.utterance not in first:
                first[emotion.utterance] = first_emotion(emotion, item.at_ms, segmenter)
            case UtteranceResumed() | UtteranceDiscarded() as taken_back:
                first.pop(taken_back.utterance, None)
    return list(first.values())


def first_emotion(emotion: Emotion, at_ms: float, segmenter: SegmenterSettings) -> FirstEmotion:
    """Return the figures of an event that came at a time of the client's clock.

    An utterance that ended in silence keeps some of it, one cut in speech has none.
    """
    latency = emotion.latency
    in_silence = latency.endpoint_ms in {segmenter.likely_end_ms, segmenter.confirmed_end_ms}
    kept_ms = min(segmenter.post_roll_ms, segmenter.likely_end_ms) if in_silence else 0
    return FirstEmotion(
        emotion.text,
        emotion.label,
        at_ms - (emotion.end_ms - kept_ms),
        latency.total_ms,
        latency.endpoint_ms,
        latency.transcript_ms,
        latency.features_ms,
        latency.fusion_ms,
        in_silence,
    )


def first_told_ms(heard: Sequence[ReceivedEvent]) -> list[float]:
    """Return for each utterance of more than a second how long after its begin anything was told of its emotion.

    What begins in silence begins after the pre-roll, what begins where another was cut at once.
    """
    first: dict[int, float] = {}
    length_ms: dict[int, float] = {}
    cuts = {item.event.end_ms for item in heard if isinstance(item.event, Emotion) and item.event.final}
    pre_roll_ms = SegmenterSettings().pre_roll_ms
    for item in heard:
        if isinstance(item.event, Emotion):
            begin_ms = item.event.start_ms + (0 if item.event.start_ms in cuts else pre_roll_ms)
            first.setdefault(item.event.utterance, item.at_ms - begin_ms)
            length_ms[item.event.utterance] = item.event.end_ms - item.event.start_ms
    return [waited for utterance, waited in first.items() if length_ms[utterance] > _TOLD_FROM_MS]


@dataclass(frozen=True)
class LiveReport:
    """Everything that was measured: sums over all participants, the worst of their lags."""

    clip: str
    size: tuple[int, int] | None
    participants: int
    media_s: float
    ready_s: float
    engine: str
    real_time_factor: float
    lag_ms: float
    send_delay_ms: float
    dropped_audio_chunks: int
    dropped_video_frames: int
    passed_over_frames: int
    skipped_partials: int
    skipped_provisional: int
    lost_events: int
    sound_per_s: float
    frames_per_s: float
    faces_per_s: float
    taken_back: int
    problems: dict[str, int]
    load: Load
    emotions: list[FirstEmotion]
    first_told_ms: list[float]
    """From the begin of each utterance of more than a second to the first that was told of its emotion."""


def report(path: Path, clip: Messages, server: Server, load: Load, all_played: Sequence[Played]) -> LiveReport:
    """Return the figures of all participants together."""
    totals = [played.closed.totals for played in all_played]
    events = [heard.event for played in all_played for heard in played.heard]
    media_s = clip.duration_ms / 1000
    per_s = 1 / (media_s * len(all_played))
    return LiveReport(
        clip=path.name,
        size=clip.size,
        participants=len(all_played),
        media_s=media_s,
        ready_s=server.ready_s,
        engine=next(event.engine for event in events if isinstance(event, SessionCreated)),
        real_time_factor=max(played.heard[-1].at_ms for played in all_played) / clip.duration_ms,
        lag_ms=max(played.lag_ms for played in all_played),
        send_delay_ms=max(played.latest_ms for played in all_played),
        dropped_audio_chunks=sum(each.dropped_audio_chunks for each in totals),
        dropped_video_frames=sum(each.dropped_video_frames for each in totals),
        passed_over_frames=sum(each.passed_over_frames for each in totals),
        skipped_partials=sum(each.skipped_partials for each in totals),
        skipped_provisional=sum(each.skipped_provisional for each in totals),
        lost_events=sum(played.lost for played in all_played),
        sound_per_s=sum(each.audio_chunks for each in totals) * per_s,
        frames_per_s=sum(each.video_frames for each in totals) * per_s,
        faces_per_s=sum(isinstance(event, Faces) for event in events) * per_s,
        taken_back=sum(isinstance(event, UtteranceResumed) for event in events),
        problems=dict(Counter(event.code for event in events if isinstance(event, Warning | Error))),
        load=load,
        emotions=[emotion for played in all_played for emotion in first_emotions(played.heard)],
        first_told_ms=[waited for played in all_played for waited in first_told_ms(played.heard)],
    )


def measure(path: Path, participants: int, repeat: int, settings: Sequence[str]) -> LiveReport:
    """Play a clip and return what it took."""
    tell(f"decoding {path.name}")
    return measure_clip(path, compose(record(path), repeat), participants, settings)


def measure_clip(
    path: Path, clip: Messages, participants: int, settings: Sequence[str], *, staggered: bool = False
) -> LiveReport:
    """Play what was decoded of a file and return what it took."""
    tell("starting the server")
    with serving([f"server.max_sessions={participants}", *settings]) as server, Meter(server) as meter:
        tell(f"ready after {server.ready_s:.1f} s; playing {clip.duration_ms / 1000:.1f} s")
        all_played = play_all(server.address, clip, participants, staggered=staggered)
        load = meter.load()
    return report(path, clip, server, load, all_played)


def tell(what: str) -> None:
    """Say on standard error what is being done."""
    print(what, file=sys.stderr, flush=True)


def play_rows(report: LiveReport) -> list[tuple[str, str]]:
    """Return what the playing took, as the names and values of a table."""
    load = report.load
    rate = "sound {0.sound_per_s:.1f}, frames {0.frames_per_s:.1f}, faces {0.faces_per_s:.1f}"
    dropped = "sound {0.dropped_audio_chunks}, frames {0.dropped_video_frames}"
    left_out = "frames {0.passed_over_frames}, partial transcripts {0.skipped_partials}, "
    left_out += "provisional emotions {0.skipped_provisional}, events {0.lost_events}"
    return [
        ("real-time factor (1 is keeping up)", f"{report.real_time_factor:.3f}"),
        ("done after the last media", f"{report.lag_ms:.0f} ms"),
        ("latest message of the client", f"{report.send_delay_ms:.0f} ms late"),
        ("dropped", dropped.format(report)),
        ("left out", left_out.format(report)),
        ("a second of media", rate.format(report)),
        ("processor, all cores: server", f"{load.server_share:.0%}"),
        ("processor, all cores: client, machine", f"{load.client_share:.0%}, {load.machine_share:.0%}"),
        ("memory of the server, peak", f"{load.peak_bytes / 2**20:.0f} MiB"),
        ("event loop late: p99, most", f"{load.loop_lag_p99_ms:.1f} ms, {load.loop_lag_max_ms:.1f} ms"),
        ("server ready after", f"{report.ready_s:.1f} s"),
        ("warnings and errors", ", ".join(f"{code}: {n}" for code, n in report.problems.items()) or "none"),
    ]


def latency_rows(emotions: Sequence[FirstEmotion]) -> list[tuple[str, list[float]]]:
    """Return the latencies of all utterances, by part."""
    return [
        ("as the client sees it", [emotion.client_ms for emotion in emotions]),
        ("as the server tells it", [emotion.server_ms for emotion in emotions]),
        ("  the endpoint's silence", [emotion.endpoint_ms for emotion in emotions]),
        ("  without it", [emotion.work_ms for emotion in emotions]),
        ("    transcript", [emotion.transcript_ms for emotion in emotions]),
        ("    text, voice and face", [emotion.features_ms for emotion in emotions]),
        ("    fusion", [emotion.fusion_ms for emotion in emotions]),
    ]


def play_heading(report: LiveReport) -> str:
    """Return what was played."""
    size = "no frames" if report.size is None else "{}x{}".format(*report.size)
    return f"{report.clip}, {size}, {report.media_s:.1f} s, participants: {report.participants}, {report.engine}"


def play_table(report: LiveReport) -> Table:
    """Return the table of the playing."""
    table = Table(box=None, show_header=False)
    for row in play_rows(report):
        table.add_row(*row)
    return table


def latency_heading(report: LiveReport) -> str:
    """Return what the latencies are of."""
    return f"End of speech to first emotion: {len(report.emotions)} utterances, {report.taken_back} taken back"


def latency_table(report: LiveReport) -> Table:
    """Return the table of the first emotions."""
    rows = []
    for name, values in latency_rows(report.emotions):
        shown = np.percentile(values, [50, 95, 100]).tolist() if values else []
        rows.append([name, *(f"{value:.0f} ms" for value in shown)])
    return terminal_table(("", "p50", "p95", "longest"), rows)


def show(report: LiveReport) -> None:
    """Print the tables and the machine they hold for."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(play_heading(report), play_table(report), "", sep="\n")
    console.print(latency_heading(report), latency_table(report), "", sep="\n")
    console.print("; ".join(machine().values()))


def server_parser(about: str | None, script: str) -> argparse.ArgumentParser:
    """Return a parser with what clients play, and how the server is set."""
    parser = script_parser(about, script)
    parser.add_argument("--clip", type=Path, default=ROOT / "demo" / "clip.mp4", help="a media file (the demo clip)")
    parser.add_argument("--engine", default="auto", help="what computes the networks, as runtime.engine (auto)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change a setting of the server"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    return parser


def settings_of(options: argparse.Namespace) -> list[str]:
    """Return the settings of the server that were given."""
    return [f"runtime.engine={options.engine}", *options.set]


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = server_parser(__doc__, __file__)
    parser.add_argument("--participants", type=positive, default=1, metavar="N", help="clients at once (1)")
    parser.add_argument("--repeat", type=positive, default=1, metavar="N", help="play it so often in one session (1)")
    return parser.parse_args()


def positive(text: str) -> int:
    """Return a number from 1 on."""
    number = int(text)
    if number < 1:
        message = "must be at least 1"
        raise argparse.ArgumentTypeError(message)
    return number


def main() -> None:
    """Measure and print the tables."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped, too
    try:
        measured = measure(options.clip, options.participants, options.repeat, settings_of(options))
    except (ClientError, ServerError, OSError) as error:
        sys.exit(f"live.py: {error}")
    show(measured)
    if options.write:
        parts = [play_heading(measured), play_table(measured), latency_heading(measured), latency_table(measured)]
        options.write.write_figures(parts, data=measured.clip)
    if options.json:
        write_json(options.json, asdict(measured))


if __name__ == "__main__":
    main()
