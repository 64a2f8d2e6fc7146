"""One session that lasts for hours of media, at the pace the machine can, and whether anything grows.

    python benchmarks/soak.py [--clip FILE] [--hours H] [--sessions N] [--set SECTION.KEY=VALUE] [--json OUT]

The clip is played over and over into one session (``--sessions``: into so many, one after the other), as a file is:
nothing is dropped, so that every round does the same work. After each round memory, threads and open files are looked
at. What counts is the growth of memory from the end of the warm-up, a fifth of the rounds, to the end: medians of the
rounds of the first and of the last fifth after it. The exit code is 1 where memory has grown by 2% or more, or where
there are more threads or files than then.
"""

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

import psutil
from live import positive
from live_server import ROOT
from rich.console import Console
from tqdm import tqdm
from written import script_parser, write_json

from commands.measured import machine
from m2fnet_client.file_media import media_of
from stream.config import load_settings
from stream.live_models import LiveModels
from stream.media import AudioChunk, SourceStatus, VideoFrame
from stream.session import Session
from stream.settings import Settings
from wire.events import Event

FRAMES_PER_SECOND: Final = 8.0
MOST_GROWTH: Final = 0.02
FEWEST_ROUNDS: Final = 10


@dataclass(frozen=True)
class Footprint:
    """What the process held after a round."""

    media_s: float
    memory_mib: float
    threads: int
    files: int
    utterances: int


def look(process: psutil.Process, media_s: float, utterances: int) -> Footprint:
    """Return what the process holds now, what Python could free left out."""
    gc.collect()
    memory = process.memory_info().rss / 2**20
    return Footprint(media_s, memory, threading.active_count(), process.num_fds(), utterances)


def clip_media(path: Path) -> list[AudioChunk | VideoFrame]:
    """Return a decoded clip."""
    return [item for item in media_of(path, FRAMES_PER_SECOND) if not isinstance(item, SourceStatus)]


def shifted(media: Sequence[AudioChunk | VideoFrame], by_ms: float) -> Iterator[AudioChunk | VideoFrame]:
    """Yield the clip at a later time."""
    for item in media:
        yield replace(item, time_ms=item.time_ms + by_ms)


class Soak:
    """Sessions that are fed round after round."""

    def __init__(self, models: LiveModels, settings: Settings, media: Sequence[AudioChunk | VideoFrame]) -> None:
        self.models, self.settings, self.media = models, settings, media
        self.round_ms = max(item.end_ms if isinstance(item, AudioChunk) else item.time_ms for item in media) + 1000
        self.utterances = 0

    def session(self) -> Session:
        """Return a new session."""
        return Session(self.models, self.settings, self._count, speaker="Speaker", live=False)

    def _count(self, event: Event) -> None:
        self.utterances += event.type == "emotion"

    def looks(self, rounds: int, sessions: int) -> Iterator[Footprint]:
        """Yield what the process holds after each round."""
        process = psutil.Process()
        each = -(-rounds // sessions)
        session, done = self.session(), 0
        for index in tqdm(range(rounds), desc="rounds"):
            if done == each:
                session.finish()
                session, done = self.session(), 0
            for item in shifted(self.media, done * self.round_ms):
                session.push(item)
            done += 1
            yield look(process, (index + 1) * self.round_ms / 1000, self.utterances)
        session.finish()


@dataclass(frozen=True)
class Growth:
    """What there was after the warm-up and at the end: medians."""

    before: Footprint
    after: Footprint

    @staticmethod
    def of(looks: Sequence[Footprint]) -> "Growth":
        """Return the growth over all rounds but the first fifth."""
        settled = looks[len(looks) // 5 :]
        part = max(1, len(settled) // 5)
        return Growth(middle(settled[:part]), middle(settled[-part:]))

    @property
    def memory(self) -> float:
        """Return by what share memory grew."""
        return self.after.memory_mib / self.before.memory_mib - 1

    @property
    def flat(self) -> bool:
        """Return whether nothing grew."""
        return (
            self.memory < MOST_GROWTH
            and self.after.threads <= self.before.threads
            and self.after.files <= self.before.files
        )


def middle(looks: Sequence[Footprint]) -> Footprint:
    """Return the medians of some rounds."""
    return Footprint(
        looks[-1].media_s,
        median(one.memory_mib for one in looks),
        round(median(one.threads for one in looks)),
        round(median(one.files for one in looks)),
        looks[-1].utterances,
    )


def told(looks: Sequence[Footprint], growth: Growth) -> str:
    """Return what grew."""
    before, after = growth.before, growth.after
    return (
        f"{looks[-1].media_s / 3600:.2f} hours of media, {looks[-1].utterances} emotions\n"
        f"memory {before.memory_mib:.0f} -> {after.memory_mib:.0f} MiB ({growth.memory:+.1%})\n"
        f"threads {before.threads} -> {after.threads}, open files {before.files} -> {after.files}"
    )


def main() -> None:
    """Measure, print, and say by the exit code whether anything grew."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--clip", type=Path, default=ROOT / "demo" / "clip.mp4", help="a media file (the demo clip)")
    parser.add_argument("--hours", type=float, default=2.0, help="of media (2)")
    parser.add_argument("--sessions", type=positive, default=1, help="one after the other (1)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change a setting")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    settings = load_settings(None, options.set)
    models = LiveModels.load(settings)
    try:
        soak = Soak(models, settings, clip_media(options.clip))
        rounds = max(FEWEST_ROUNDS, round(options.hours * 3_600_000 / soak.round_ms))
        looks = list(soak.looks(rounds, options.sessions))
    finally:
        models.close()
    growth = Growth.of(looks)
    text = told(looks, growth)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(text, "; ".join(machine().values()), sep="\n")
    if options.write:
        options.write.write_figures([text.replace("\n", "; ")], data=options.clip.name)
    if options.json:
        write_json(options.json, {"rounds": [asdict(one) for one in looks]})
    sys.exit(0 if growth.flat else 1)


if __name__ == "__main__":
    main()
