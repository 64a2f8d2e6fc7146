"""What the product is to reach in time and memory, and what it reaches on this machine; `make bench` prints it.

    python benchmarks/aims.py [--media MEDIA] [--participants N] [--json OUT]

Each row is a figure of another benchmark here, or a ratio within one run, with its aim. Run it with nothing beside it:
all but the ratios are times of this machine. Without MEDIA, the rows of its files are left out; --participants N also
counts how many the machine carries, up to N, a minute for each.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from aim_rows import Row, aims_table
from analyze import run as analyze
from capacity import FRAMES_PER_SECOND, climb, most_carried
from faster_whisper import WhisperModel
from live import LiveReport, positive, tell
from live import measure as play
from live_server import ServerError
from rich.console import Console
from startup import DEMO, ended, half_a_second
from written import script_parser, write_json

from commands.measured import machine
from m2fnet_client import ClientError
from stream.analysis import analyze_file
from stream.live_models import LiveModels
from stream.settings import Settings
from trainer.stages.packaged import packaged_whisper

_ROUNDS: Final = 3
_KIB: Final = 2**10
_GIB: Final = 2**30


def file_rows(media: Path | None) -> Iterator[Row]:
    """Yield what whole files take, models loaded."""
    clips = [DEMO] if media is None else [media / "two_speakers.wav", media / "expressive_face.mp4", DEMO]
    with closing(LiveModels.load(Settings())) as models:
        if media is not None:
            ratio = times_faster_whisper(clips[0], models)
            yield Row("analyze two_speakers.wav, times faster-whisper alone on the whole file", ratio, 1.8)
        analyze("warm", clips[-1:], models)
        done = analyze("all", clips, models)
    yield Row(f"analyze {', '.join(clip.name for clip in clips)}", done.speed, 15, "hours an hour", least=True)


def times_faster_whisper(clip: Path, models: LiveModels) -> float:
    """Return how many times longer our analysis of a file takes than faster-whisper's words of it, taking turns."""
    whisper = WhisperModel(str(packaged_whisper()), device="cpu", compute_type="int8")

    def words() -> None:
        segments, _ = whisper.transcribe(str(clip), language="en", word_timestamps=True)
        list(segments)

    def ours() -> None:
        analyze_file(clip, models=models)

    ours_s, words_s = zip(*((seconds(ours), seconds(words)) for _ in range(_ROUNDS + 1)), strict=True)
    return float(median(ours_s[1:]) / median(words_s[1:]))


def seconds(work: Callable[[], None]) -> float:
    """Return how long a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def live_rows(report: LiveReport) -> Iterator[Row]:
    """Yield what one participant waits for and what the server takes."""
    client = np.percentile([emotion.client_ms for emotion in report.emotions], [50, 95]).tolist()
    work = np.percentile([emotion.work_ms for emotion in report.emotions], [50, 95]).tolist()
    for share, waited, aim in zip((50, 95), client, (350, 700), strict=True):
        yield Row(f"live, end of speech to first emotion, client's view, p{share}", waited, aim, "ms")
    for share, spent, aim in zip((50, 95), work, (80, 120), strict=True):
        yield Row(f"live, work after the likely end, p{share}", spent, aim, "ms")
    if report.first_told_ms:
        yield Row(
            "live, begin of speech to a first, provisional emotion, p50", median(report.first_told_ms), 1200, "ms"
        )
        yield Row("the same, longest", max(report.first_told_ms), 1200, "ms")
    yield Row("server, memory with one participant", report.load.peak_bytes / _GIB, 1.2, "GiB")
    yield Row("server, ready after", report.ready_s, 4, "s")


def short_rows(folder: Path) -> Iterator[Row]:
    """Yield what whole commands take, caches warm: for half a second of sound, and those that need no model."""
    clip = str(half_a_second(folder / "short.wav"))
    runs = [ended(["analyze", clip]) for _ in range(_ROUNDS)]
    yield Row("m2fnet analyze of 0.5 s", median(run.seconds for run in runs), 3.5, "s")
    yield Row("the same, memory", median(run.memory for run in runs) * _KIB / _GIB, 1.2, "GiB")
    for name, aim in (("--help", 0.3), ("check", 4)):
        yield Row(f"m2fnet {name}", median(ended([name]).seconds for _ in range(_ROUNDS)), aim, "s")


def carried_row(most: int) -> Row:
    """Return how many participants are carried."""
    points = list(climb(DEMO, most, FRAMES_PER_SECOND, []))
    return Row(f"participants, {FRAMES_PER_SECOND:g} frames/s offered", most_carried(points), 10, least=True)


def rows(media: Path | None, participants: int) -> Iterator[Row]:
    """Measure and yield all rows."""
    with TemporaryDirectory() as folder:
        yield from short_rows(Path(folder))
    yield from live_rows(play(DEMO, 1, 1, []))
    yield from file_rows(media)
    if participants:
        yield carried_row(participants)


def main() -> None:
    """Measure and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--media", type=Path, help="a folder with two_speakers.wav and expressive_face.mp4")
    parser.add_argument("--participants", type=positive, default=0, metavar="N", help="count them up to N (not)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped, too
    measured = []
    try:
        for row in rows(options.media, options.participants):
            tell(" ".join(row.cells))
            measured.append(row)
    except (ClientError, ServerError, OSError) as error:
        sys.exit(f"aims.py: {error}")
    table = aims_table(measured)
    Console(highlight=False, markup=False, soft_wrap=True).print(table, "; ".join(machine().values()), sep="\n")
    if options.write:
        options.write.write_figures([table], data="the demo clip and the media named")
    if options.json:
        write_json(options.json, {"rows": [asdict(row) | {"met": row.met} for row in measured]})


if __name__ == "__main__":
    main()
