"""How well the people on one microphone are told apart, in files and live.

    python benchmarks/speakers.py --media MEDIA --data DATA [--only PART ...] [--set SECTION.KEY=VALUE] [--json OUT]

MEDIA has two_speakers.wav with its .rttm, DATA the meetings of diarization_ami and the corpora that conversations are
put together from (benchmarks/conversations.py). Files are heard as ``m2fnet analyze`` hears them, live is a live
session whose speech recognition answers at once. Each utterance counts for whoever it was told to be in the end, live
also for whoever it was told to be with its first emotion. Error rates are those of pyannote.metrics: what is missed,
invented or given to another, of the speech; speakers told stand for those whom they fit best. Delays are in media time:
work takes none.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

from aim_rows import Row, aims_table
from at_once import SPEAKER, Told, told_live
from conversations import Conversation, alone, conversations, write_wave
from diarization import CASES, Naming, Said, Score, Turn, first_right_ms, read_rttm, score
from rich.console import Console
from rich.table import Table
from written import script_parser, write_json

from commands.measured import machine
from models.media.sound import Samples, read_voice
from stream.analysis import analyze_file
from stream.config import load_settings
from stream.live_models import LiveModels
from stream.media import SAMPLES_PER_MS
from stream.settings import Settings
from stream.speakers.telling_apart import telling_apart
from trainer.evaluation.text_tables import terminal_table
from wire.events import Emotion, SpeechStarted, TranscriptPartial, UtteranceDiscarded

_TALK, _MEETINGS, _ONE = "two_speakers", "meetings", "one person"
_PARTS: Final = (_TALK, _MEETINGS, "2 people", "3 people", "4 people", _ONE)
_WAYS: Final = {
    "file": "file",
    "live": "live",
    "first": "live, with the first emotion",
    "one": "file, nobody told apart",
}
_LEFT_OUT: Final = frozenset({"trn02", "tst01"})  # hold too little speech for a score
_STEP_MS: Final = 100  # of sound that comes at a time


@dataclass(frozen=True)
class Sample:
    """A sound of which it is known who speaks when, and what it is an example of."""

    part: str
    path: Path
    turns: tuple[Turn, ...]

    @property
    def people(self) -> int:
        """Return how many speak."""
        return len({turn.speaker for turn in self.turns})


@dataclass(frozen=True)
class Measured:
    """What was told of a sample.

    Attributes:
        people: how many speak in it.
        one: of the file with nobody told apart.
        first: live, of whoever utterances were told to be with their first emotions.
        delays_ms: until new speakers were told right for good, None for those who never were.
        cost: seconds of the processor that telling speakers apart takes for a second of utterances.
    """

    part: str
    name: str
    people: int
    file: Score
    live: Score
    first: Score
    one: Score
    delays_ms: tuple[float | None, ...]
    cost: float


def samples(parts: Sequence[str], media: Path | None, data: Path | None, folder: Path) -> Iterator[Sample]:
    """Yield those of the parts; what is put together is written to a folder."""
    if _TALK in parts and media is not None:
        yield Sample(_TALK, media / "two_speakers.wav", read_rttm(media / "two_speakers.rttm"))
    if data is None:
        return
    if _MEETINGS in parts:
        for path in sorted((data / "diarization_ami").glob("*.opus")):
            if path.stem not in _LEFT_OUT:
                yield Sample(_MEETINGS, path, read_rttm(path.with_suffix(".rttm")))
    for people, conversation in conversations(data):
        if f"{people} people" in parts:
            yield _written(f"{people} people", conversation, folder)
    if _ONE in parts:
        for conversation in alone(data):
            yield _written(_ONE, conversation, folder)


def _written(part: str, conversation: Conversation, folder: Path) -> Sample:
    path = folder / f"{conversation.name}.wav"
    write_wave(path, conversation.samples)
    return Sample(part, path, conversation.turns)


def measured(sample: Sample, models: LiveModels, settings: Settings) -> Measured:
    """Hear a sample in all ways."""
    sound = read_voice(sample.path)
    duration_ms = len(sound) / SAMPLES_PER_MS
    said = utterances(told_live(sample.path, models, settings))
    live = score(sample.turns, [one.last for one in said], duration_ms)
    together = settings.model_copy(update={"speakers": settings.speakers.model_copy(update={"tell_apart": False})})
    return Measured(
        sample.part,
        sample.path.stem,
        sample.people,
        score(sample.turns, turns_of_file(sample.path, models, settings), duration_ms),
        live,
        score(sample.turns, [one.first for one in said], duration_ms),
        score(sample.turns, turns_of_file(sample.path, models, together), duration_ms),
        tuple(first_right_ms(sample.turns, said, live.mapping).values()),
        cost(sound, said, models, settings),
    )


def turns_of_file(path: Path, models: LiveModels, settings: Settings) -> list[Turn]:
    """Return the utterances that ``m2fnet analyze`` finds."""
    found = analyze_file(path, models=models, settings=settings, speaker=SPEAKER)
    return [Turn(said.start_ms, said.end_ms, said.speaker) for said in found.utterances]


def utterances(told: Iterable[Told]) -> list[Said]:
    """Return the utterances of a live session in their order, with all that was told of who says them.

    Whoever is alone is the speaker called A later.
    """
    named: dict[int, list[Naming]] = {}
    emotions: dict[int, list[Emotion]] = {}
    for each in told:
        match each.event:
            case UtteranceDiscarded(utterance=number):
                emotions.pop(number, None)
            case SpeechStarted() | TranscriptPartial() | Emotion() as event:
                named.setdefault(event.utterance, []).append(Naming(each.at_ms, _letter(event.speaker)))
                if isinstance(event, Emotion):
                    emotions.setdefault(event.utterance, []).append(event)
            case _:
                pass
    said = [
        Said(found[-1].start_ms, found[-1].end_ms, _letter(found[0].speaker), tuple(named[number]))
        for number, found in emotions.items()
    ]
    return sorted(said, key=lambda one: one.start_ms)


def _letter(name: str) -> str:
    return f"{SPEAKER} A" if name == SPEAKER else name


def cost(sound: Samples, said: Sequence[Said], models: LiveModels, settings: Settings) -> float:
    """Return the processor's seconds that it takes to tell who speaks, for a second of utterances, as they come."""

    def broken(error: Exception) -> None:
        raise error

    def between(start_ms: float, end_ms: float) -> Samples:
        return sound[round(start_ms * SAMPLES_PER_MS) : round(end_ms * SAMPLES_PER_MS)]

    who = telling_apart(models.runtime, settings.speakers, SPEAKER, broken, lambda _: None, session="cost")
    begin = process_time()
    for number, one in enumerate(said):
        start_ms, end_ms = round(one.start_ms), round(one.end_ms)
        who.begin(start_ms)
        for now_ms in range(start_ms, end_ms, _STEP_MS):
            who.follow(start_ms, now_ms, between)
        who.end(end_ms, between)
        who.of(number, start_ms, end_ms)
        who.moved()
    spoken_ms = sum(one.end_ms - one.start_ms for one in said)
    return 1000 * (process_time() - begin) / max(spoken_ms, 1.0)


def samples_table(found: Sequence[Measured]) -> Table:
    """Return the table of all samples, those of files and live side by side."""
    names = ["", "speakers there; file; live", *(f"{_case(case)}: file; live" for case in (0, -1)), "right: file; live"]
    rows = [
        [
            one.name,
            f"{one.people}; {one.file.speakers}; {one.live.speakers}",
            *(f"{one.file.errors[case]:.1%}; {one.live.errors[case]:.1%}" for case in (0, -1)),
            f"{one.file.right:.1%}; {one.live.right:.1%}",
            ", ".join("never" if delay is None else f"{delay / 1000:.1f}" for delay in one.delays_ms),
            f"{1000 * one.cost:.0f} ms",
        ]
        for one in found
    ]
    return terminal_table([*names, "new speakers right after, s", "processor, a second"], rows)


def means_table(found: Sequence[Measured]) -> Table:
    """Return the table of the means of each part, for each way of hearing it."""
    rows = [
        [f"{part}, {name}", *_means([getattr(one, way) for one in mine], [one.people for one in mine])]
        for part, mine in by_part(found).items()
        for way, name in _WAYS.items()
    ]
    cases = [_case(case) for case in range(len(CASES))]
    return terminal_table(["", "number right", *cases, "missed", "invented", "another's", "right"], rows)


def _means(scores: Sequence[Score], people: Sequence[int]) -> list[str]:
    shares = [
        *(fmean(one.errors[case] for one in scores) for case in range(len(CASES))),
        *(fmean(getattr(one, kind) for one in scores) for kind in ("missed", "alarmed", "confused", "right")),
    ]
    return [f"{_counted(scores, people)} of {len(scores)}", *(f"{share:.1%}" for share in shares)]


def _case(case: int) -> str:
    collar_ms, overlap = CASES[case]
    return (
        f"DER, {f'collar {collar_ms / 1000:g} s' if collar_ms else 'no collar'}, {'with' if overlap else 'no'} overlap"
    )


def _counted(scores: Sequence[Score], people: Sequence[int]) -> int:
    """Return of how many the number of speakers is right."""
    return sum(one.speakers == there for one, there in zip(scores, people, strict=True))


def costs_table(found: Sequence[Measured]) -> Table:
    """Return the table of how soon new speakers are told right, and of what it takes."""
    rows = []
    for part, mine in by_part(found).items():
        delays = [delay for one in mine for delay in one.delays_ms]
        known = [delay for delay in delays if delay is not None]
        after = f"{median(known) / 1000:.1f} s" if known else ""
        rows.append([part, f"{len(known)} of {len(delays)}", after, f"{1000 * fmean(one.cost for one in mine):.0f} ms"])
    return terminal_table(["", "new speakers ever right", "after, median", "processor, a second"], rows)


def by_part(found: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Return what was measured of each part."""
    return {part: mine for part in _PARTS if (mine := [one for one in found if one.part == part])}


def aims(found: Sequence[Measured]) -> Iterator[Row]:
    """Yield what is to be reached by the parts that were measured."""
    for way in ("file", "live"):
        for part, mine in by_part(found).items():
            yield from _aims(part, [getattr(one, way) for one in mine], [one.people for one in mine], way)


def _aims(part: str, scores: Sequence[Score], people: Sequence[int], way: str) -> Iterator[Row]:
    error = 100 * fmean(one.errors[0] for one in scores)
    name = f"{way}, {part}: "
    if part == _TALK:
        yield Row(f"{name}speakers too many or too few", abs(scores[0].speakers - people[0]), 0)
        yield Row(f"{name}speech with the right speaker", 100 * scores[0].right, 88, "%", least=True)
    elif part == _MEETINGS:
        yield Row(f"{name}mean DER, collar 0.25 s, no overlap", error, {"file": 30, "live": 38}[way], "%")
        yield Row(f"{name}right number of speakers", 100 * _counted(scores, people) / len(scores), 50, "%", least=True)
    elif part == _ONE:
        alike = min(100 * one.right_of_told for one in scores)
        yield Row(f"{name}one speaker, of what was heard, at worst", alike, 90, "%", least=True)
    else:
        most = {2: 10, 3: 15, 4: 20}[people[0]]
        yield Row(f"{name}mean DER, collar 0.25 s, no overlap", error, most, "%")


def main() -> None:
    """Measure and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--media", type=Path, help="a folder with two_speakers.wav and .rttm")
    parser.add_argument("--data", type=Path, help="a folder with diarization_ami and the speech corpora")
    parser.add_argument("--only", action="append", choices=_PARTS, help="measure this part alone; may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change a setting")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    settings = load_settings(None, ["dialog.speaking_interval_ms=0", *options.set])
    found = []
    with closing(LiveModels.load(settings)) as models, TemporaryDirectory() as folder:
        for sample in samples(options.only or _PARTS, options.media, options.data, Path(folder)):
            found.append(measured(sample, models, settings))
            print(found[-1].part, found[-1].name, found[-1].file.errors[0], found[-1].live.errors[0], file=sys.stderr)
    tables = [aims_table(aims(found)), means_table(found), costs_table(found), samples_table(found)]
    Console(highlight=False, markup=False, soft_wrap=True).print(*tables, "; ".join(machine().values()), sep="\n\n")
    if options.write:
        options.write.write_figures(tables, data=", ".join(by_part(found)), seed="of each conversation its name")
    if options.json:
        write_json(options.json, {"samples": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()
