"""Which face speaks, told of several talkers in one picture: how often the right one, how often none where it is none.

    python benchmarks/speaking_faces.py --media FOLDER [--rates N ...] [--orders N]

``--media`` holds ``grid_*.mpg``, commands of three seconds said by five talkers, and ``expressive_face.mp4``, a face
that moves and says nothing. The talkers are set side by side, two and three of them in every order, all of them
talking, with the sound of one: of the picture 5 frames a second are searched or followed as live, and mouths are
looked at in all ``--rates`` that come. The sound is cut as a session cuts it.

The expectations that are built in are of the same five talkers; in the rows "left out" they are those of the four
others for each. Of five talkers and one recording of each no more can be learned than whether it works at all.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from written import script_parser

from models.face_settings import FaceSettings
from models.media.geometry import Box
from models.networks.faces import FaceDetector
from models.networks.mtcnn_networks import detection_networks, in_torch
from stream.media import AudioChunk, Image, Samples, VideoFrame
from stream.sources.file import FileSource
from stream.sources.pace import FrameLimiter
from stream.speech.segmenter import Segmenter, UtteranceEnd
from stream.speech.vad import SpeechDetector
from stream.vision.delays import APART_MS, DELAYS_MS, TOGETHER_MS, Delays
from stream.vision.face_finder import FaceFinder
from stream.vision.frame_rate import FrameRate
from stream.vision.mouths import Motions, MouthTimeline, MouthWatch
from stream.vision.speaking_face import EXPECTED, Expected, Speaking, correlations, evidence
from stream.vision.tracker import FaceTracker
from stream.vision.voice_bands import VoiceBands
from trainer.evaluation.text_tables import terminal_table
from wire.settings import SegmenterSettings

Floats = npt.NDArray[np.float64]

SEARCHED_FPS: Final = 5.0
HEIGHT: Final = 288
LATE_MS: Final = (0, 80)
WINDOW: Final = 75  # frames of the face that says nothing, as many as a talker has


@dataclass(frozen=True, eq=False)
class Talker:
    """A clip: its frames, 25 a second, and the utterance in its sound; None if it has none."""

    name: str
    images: Sequence[Image]
    said: AudioChunk | None

    def parts(self, length: int) -> Iterator["Talker"]:
        """Yield pieces of so many frames, without sound."""
        for start in range(0, len(self.images) - length, length):
            yield Talker(f"{self.name} {start}", self.images[start : start + length], None)

    def frozen(self) -> "Talker":
        """Return the talker as a photograph."""
        return Talker(f"{self.name}, a photograph", [self.images[0]] * len(self.images), None)


@dataclass
class Tally:
    """What was told of some pictures."""

    right: int = 0
    untold: int = 0
    nobody: int = 0
    wrong: int = 0

    def note(self, found: Speaking, tile: int | None, expected: int | None) -> None:
        """Count what was told, ``tile`` being where the face is that was named."""
        self.wrong += found.face is not None and (tile is None or tile != expected)
        self.untold += found == Speaking()
        self.nobody += found.nobody
        self.right += found.face is not None and tile is not None and tile == expected

    @property
    def count(self) -> int:
        """How many there were."""
        return self.right + self.untold + self.nobody + self.wrong

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def shown(self, *, in_view: bool) -> str:
        """Return how often it was right: the face named, or none; what is behind it in brackets."""
        if in_view:
            return f"{self._share(self.right)}{f' ({self._share(self.wrong)} wrong)' if self.wrong else ''}"
        return f"{self._share(self.untold + self.nobody)} ({self._share(self.nobody)} sure)"

    def _share(self, number: int) -> str:
        return f"{100 * number / self.count:.0f}%"


@dataclass
class Judged:
    """What was told where the speaker is in view, and where not."""

    in_view: Tally = field(default_factory=Tally)
    elsewhere: Tally = field(default_factory=Tally)

    def __add__(self, other: "Judged") -> "Judged":
        return Judged(self.in_view + other.in_view, self.elsewhere + other.elsewhere)


@dataclass
class Costs:
    """Processor time of looking at mouths and of telling who speaks, in milliseconds."""

    motions: int = 0
    motion_ms: float = 0.0
    decisions: list[float] = field(default_factory=list)

    def measured(
        self, watch: MouthWatch, between: Sequence[VideoFrame], frame: VideoFrame, boxes: dict[int, Box]
    ) -> Motions:
        """Measure mouths, and how long that takes."""
        begun = time.process_time()
        found = watch.measure(between, frame, boxes)
        self.motion_ms += (time.process_time() - begun) * 1000
        self.motions += sum(map(len, found.values()))
        return found


@dataclass(frozen=True, eq=False)
class Options:
    """How it is told who speaks and what that cost; ``late_ms``: how much later than the picture the sound comes."""

    costs: Costs
    delays: Delays
    expected: Sequence[Expected] = EXPECTED
    late_ms: float = 0.0


@dataclass(frozen=True, eq=False)
class Picture:
    """Tiles side by side: what their mouths did, and which tile each face is in."""

    motions: Motions
    places: dict[int, int]

    def note(self, tally: Tally, said: AudioChunk, expected: int | None, options: Options) -> None:
        """Count what is told with a sound, expected to be the face in a tile."""
        begun = time.process_time()
        heard = delayed(said, options.late_ms)
        found = evidence(within(self.motions, heard), heard, options.expected).speaking(options.delays)
        options.costs.decisions.append((time.process_time() - begun) * 1000)
        tally.note(found, None if found.face is None else self.places[found.face], expected)


def delayed(said: AudioChunk, late_ms: float) -> AudioChunk:
    """Return a sound that comes later."""
    return AudioChunk(said.time_ms + late_ms, said.samples)


def within(motions: Motions, said: AudioChunk) -> Motions:
    """Return the motions of an utterance."""
    timeline = MouthTimeline()
    timeline.add(motions)
    return timeline.during(said.time_ms, said.end_ms)


def talker(path: Path) -> Talker:
    """Read a clip."""
    images: list[Image] = []
    sound: list[Samples] = []
    source = FileSource(path, max_fps=25.0)
    source.start()
    while (item := source.read()) is not None:
        if isinstance(item, VideoFrame):
            images.append(scaled(item.image))
        elif isinstance(item, AudioChunk):
            sound.append(item.samples)
    return Talker(path.stem.removeprefix("grid_"), images, utterance(np.concatenate(sound)))


def scaled(image: Image) -> Image:
    """Return a frame as high as all."""
    width = round(image.shape[1] * HEIGHT / image.shape[0])
    return cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def utterance(samples: Samples) -> AudioChunk | None:
    """Return the longest utterance that a session cuts of some sound."""
    segmenter = Segmenter(SegmenterSettings(), SpeechDetector())
    told = segmenter.push(AudioChunk(0.0, samples)) + segmenter.finish()
    ends = [event.segment for event in told if isinstance(event, UtteranceEnd)]
    longest = max(ends, key=lambda segment: len(segment.samples), default=None)
    return None if longest is None else AudioChunk(longest.start_ms, longest.samples)


def picture(tiles: Sequence[Talker], detector: FaceDetector, rate: float, costs: Costs) -> Picture:
    """Look at tiles side by side as a session would, of whose source ``rate`` frames a second come."""
    finder, tracker, watch, timeline = FaceFinder(detector, 3), FaceTracker(), MouthWatch(), MouthTimeline()
    searched, limiter = FrameRate(SEARCHED_FPS, None), FrameLimiter(rate)
    edges = np.cumsum([tile.images[0].shape[1] for tile in tiles])
    between: list[VideoFrame] = []
    places: dict[int, int] = {}
    for frame in frames(tiles):
        if not limiter.keep(frame.time_ms):
            continue
        if not searched.admits(frame.time_ms):
            between.append(frame)
            continue
        found = finder.find(frame.image).boxes
        boxes = dict(zip(tracker.update(frame.time_ms, found), found, strict=True))
        places |= {face: tile_of(box, edges) for face, box in boxes.items()}
        timeline.add(costs.measured(watch, between, frame, boxes))
        between = []
    return Picture(timeline.during(0, float("inf")), places)


def frames(tiles: Sequence[Talker]) -> Iterator[VideoFrame]:
    """Yield the tiles' frames side by side."""
    for number, images in enumerate(zip(*(tile.images for tile in tiles), strict=False)):
        yield VideoFrame(40.0 * number, np.concatenate(images, axis=1))


def tile_of(box: Box, edges: npt.NDArray[np.int64]) -> int:
    """Return the tile in which the middle of a face is, given where tiles end."""
    return int(np.searchsorted(edges, (box.left + box.right) / 2, side="right"))


@dataclass(frozen=True, eq=False)
class Pictures:
    """All that is looked at for one rate: tiles, and what was seen of them."""

    talking: Sequence[tuple[Sequence[Talker], Picture]]
    alone: Sequence[tuple[Sequence[Talker], Picture]]
    listened_to: Sequence[tuple[Sequence[Talker], Picture]]
    photographs: Sequence[tuple[Sequence[Talker], Picture]]
    silent: Sequence[tuple[Sequence[Talker], Picture]]
    costs: Costs

    @classmethod
    def of(cls, talkers: Sequence[Talker], silent: Sequence[Talker], rate: float, orders: int) -> "Pictures":
        """Look at all of them."""
        costs, detector = Costs(), FaceDetector(FaceSettings(), in_torch(detection_networks()))

        def looked_at(arranged: Iterable[Sequence[Talker]]) -> list[tuple[Sequence[Talker], Picture]]:
            return [(tiles, picture(tiles, detector, rate, costs)) for tiles in arranged]

        still = [each.frozen() for each in talkers]
        return cls(
            looked_at(in_orders(talkers, orders)),
            looked_at((each,) for each in talkers),
            looked_at(beside(talkers, still, silent)),
            looked_at(itertools.combinations(still, 2)),
            looked_at((each,) for each in silent),
            costs,
        )


def in_orders(talkers: Sequence[Talker], orders: int) -> Iterator[Sequence[Talker]]:
    """Yield two and three talkers, each choice of them in so many orders at most."""
    for chosen in (*itertools.combinations(talkers, 2), *itertools.combinations(talkers, 3)):
        yield from itertools.islice(itertools.permutations(chosen), orders)


def beside(talkers: Sequence[Talker], still: Sequence[Talker], silent: Sequence[Talker]) -> Iterator[Sequence[Talker]]:
    """Yield each talker beside a face that says nothing, and beside the photographs of two others."""
    for place, each in enumerate(talkers):
        others = [photograph for number, photograph in enumerate(still) if number != place]
        yield each, silent[place % len(silent)]
        yield others[place % len(others)], each, others[(place + 1) % len(others)]


def judged(looked_at: Sequence[tuple[Sequence[Talker], Picture]], voices: Sequence[Talker], options: Options) -> Judged:
    """Return what is told with each voice: where the speaker is in view, and where not."""
    found = Judged()
    for tiles, seen in looked_at:
        for voice in voices:
            assert voice.said is not None  # noqa: S101 - each talker says something
            place = tiles.index(voice) if voice in tiles else None
            seen.note(found.elsewhere if place is None else found.in_view, voice.said, place, options)
    return found


Case = tuple[str, bool]
"""What is looked at, and whether the speaker is in view."""


def of_files(pictures: Pictures, talkers: Sequence[Talker]) -> dict[Case, Tally]:
    """Return what is told of all pictures, of a file whose sound and picture come together."""
    options = Options(pictures.costs, Delays.within(TOGETHER_MS))
    talking, alone = judged(pictures.talking, talkers, options), judged(pictures.alone, talkers, options)
    return {
        ("two or three talk, one is heard", True): talking.in_view,
        ("one is alone in view and heard", True): alone.in_view,
        ("one talks beside others who do not", True): judged(pictures.listened_to, talkers, options).in_view,
        ("two or three talk, another is heard", False): talking.elsewhere,
        ("one talks, another is heard", False): alone.elsewhere,
        ("a face moves and says nothing", False): judged(pictures.silent, talkers, options).elsewhere,
        ("two photographs", False): judged(pictures.photographs, talkers, options).elsewhere,
    }


def left_out(pictures: Pictures, talkers: Sequence[Talker]) -> dict[Case, Tally]:
    """Return the same with the expectations of the other talkers for each whose voice is heard."""
    total, delays = Judged(), Delays.within(TOGETHER_MS)
    for voice in talkers:
        others = [(tiles[0], seen) for tiles, seen in pictures.alone if tiles[0] is not voice]
        total += judged(pictures.talking, [voice], Options(pictures.costs, delays, learned(others)))
    return {
        ("two or three talk, one is heard, left out", True): total.in_view,
        ("two or three talk, another is heard, left out", False): total.elsewhere,
    }


def live(pictures: Pictures, talkers: Sequence[Talker]) -> dict[Case, Tally]:
    """Return the same of a session whose sound comes late: of its first utterance, and after four of others."""
    found: dict[Case, Tally] = {}
    for late_ms in LATE_MS:
        first, fifth = Judged(), Judged()
        for voice in talkers:
            strange, known = Delays.within(APART_MS), after_others(pictures, voice, late_ms)
            first += judged(pictures.talking, [voice], Options(pictures.costs, strange, late_ms=late_ms))
            fifth += judged(pictures.talking, [voice], Options(pictures.costs, known, late_ms=late_ms))
        late = f"live, sound {late_ms} ms late"
        found[f"{late}, first utterance: two or three talk, one is heard", True] = first.in_view
        found[f"{late}, fifth utterance: two or three talk, one is heard", True] = fifth.in_view
        found[f"{late}, fifth utterance: two or three talk, another is heard", False] = fifth.elsewhere
    return found


def after_others(pictures: Pictures, voice: Talker, late_ms: float) -> Delays:
    """Return what is believed of the delay after each of the others has said something alone in view."""
    delays = Delays.within(APART_MS)
    for number, ((each,), seen) in enumerate(pictures.alone):
        if each is not voice and each.said is not None:
            heard = delayed(each.said, late_ms)
            told = evidence(within(seen.motions, heard), heard).of_delays
            delays = delays.before(number).after(number, told)
    return delays.before(float("inf"))


def learned(alone: Sequence[tuple[Talker, Picture]]) -> list[Expected]:
    """Return the expectations that some talkers give, their spreads widened as those that are built in."""
    own: list[Floats] = []
    others: list[Floats] = []
    roots: list[float] = []
    for voice, _ in alone:
        assert voice.said is not None  # noqa: S101 - each talker says something
        for seen, picture_of in alone:
            (motions,) = within(picture_of.motions, voice.said).values()
            found = correlations(motions, VoiceBands(voice.said))[:, DELAYS_MS.index(0)]
            roots.append(np.sqrt(len(motions) - 3))
            (own if seen is voice else others).append(np.arctanh(found) * roots[-1])
    means = np.tanh(np.mean(own, axis=0) / np.mean(roots))
    centres, spreads = np.mean(others, axis=0), np.maximum(np.std(others, axis=0), 1.0)
    return [
        Expected(float(mean), built_in.own_spread, float(centre), float(spread))
        for mean, centre, spread, built_in in zip(means, centres, spreads, EXPECTED, strict=True)
    ]


def costs_of(costs: Costs) -> str:
    """Return what it cost, in words."""
    decisions = np.array(costs.decisions)
    return (
        f"{costs.motion_ms / costs.motions:.2f} ms of the processor for a face from one frame to the next, "
        f"{decisions.mean():.1f} ms to tell who speaks in an utterance, "
        f"{np.percentile(decisions, 95):.1f} ms at the 95th percentile"
    )


def main() -> None:
    """Look, tell and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--media", type=Path, required=True, help="folder of the clips")
    parser.add_argument(
        "--rates", nargs="+", type=float, default=[25.0, 12.5, 8.0, 5.0], help="frames a second (25 12.5 8 5)"
    )
    parser.add_argument("--orders", type=int, default=6, help="of each choice of talkers, at most (6: all)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    talkers = [each for path in sorted(options.media.glob("grid_*.mpg")) if (each := talker(path)).said is not None]
    silent = list(talker(options.media / "expressive_face.mp4").parts(WINDOW))
    rows: dict[Case, list[str]] = {}
    costs = ""
    for rate in options.rates:
        pictures = Pictures.of(talkers, silent, rate, options.orders)
        told = of_files(pictures, talkers) | left_out(pictures, talkers) | live(pictures, talkers)
        for (what, in_view), tally in told.items():
            cells = rows.setdefault((what, in_view), [what, "its face" if in_view else "none", str(tally.count)])
            cells.append(tally.shown(in_view=in_view))
        costs = costs or costs_of(pictures.costs)
    headings = ("in the picture", "to be named", "pictures", *(f"{rate:g} frames a second" for rate in options.rates))
    found = terminal_table(headings, list(rows.values()))
    console = Console(highlight=False, width=200)
    console.print(found)
    console.print(costs)
    if options.write:
        options.write.write_figures([found, costs], data="five GRID talkers, expressive_face.mp4")


if __name__ == "__main__":
    main()
