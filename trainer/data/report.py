"""What a corpus holds: its splits beside the paper's Table 1, its labels, and every utterance that is left out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from trainer.data.conversation import AbsentError, Conversations, Skipped
from trainer.data.faces import FaceSet
from trainer.data.names import CLIPS, FACES
from trainer.data.registry import load_clips, load_conversations, load_faces
from trainer.data.speech import LabelledClips
from trainer.data.speech_corpora import CORPORA

_SPLITS: Final = ("train", "dev", "test")


@dataclass(frozen=True)
class PaperCount:
    """A row of the paper's Table 1; it counts IEMOCAP's train and dev together."""

    splits: tuple[str, ...]
    dialogs: int
    utterances: int


PAPER: Final[dict[str, tuple[PaperCount, ...]]] = {
    "meld": (
        PaperCount(("train",), 1098, 9989),
        PaperCount(("dev",), 114, 1109),
        PaperCount(("test",), 280, 2610),
    ),
    "iemocap": (PaperCount(("train", "dev"), 120, 5810), PaperCount(("test",), 31, 1623)),
}
REMARKS: Final = {
    "meld": "The paper's 1,098 dialogs are a misprint: MELD's own table has 1,038.",
    "iemocap": "By the release's labels 7,380 utterances have one of the six classes; the paper's 7,433 are those of "
    "features that papers pass on, and nobody says where the other 53 are from.",
}


@dataclass(frozen=True)
class SplitReport:
    """What one split holds.

    Attributes:
        split: its name, or its path.
        examples: utterances, clips or faces.
        labels: how many of each, in the order of the label set; none left out.
        dialogs: None where there are none.
        speakers: None where they are not known.
        audio: utterances with a file for the sound; None where that is no question.
        visual: utterances with a file for the images; likewise.
        skipped: what is left out, and why.
        noted: what stays, without its clip or with odd times, and why.
    """

    split: str
    examples: int
    labels: dict[str, int]
    dialogs: int | None = None
    speakers: int | None = None
    audio: int | None = None
    visual: int | None = None
    skipped: tuple[Skipped, ...] = ()
    noted: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class AbsentSplit:
    """A split that is not there, and where it was looked for."""

    split: str
    why: str


@dataclass(frozen=True)
class DatasetReport:
    """What a corpus holds; at least one split is there."""

    dataset: str
    root: str
    splits: tuple[SplitReport, ...]
    absent: tuple[AbsentSplit, ...] = ()
    paper: tuple[PaperCount, ...] = field(default=())
    remark: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


def report(dataset: str, root: Path, splits: Sequence[str] | None = None) -> DatasetReport:
    """Return what the splits of a corpus hold.

    Args:
        dataset: one of :data:`trainer.data.names.Dataset`.
        root: where it is.
        splits: their names or paths; by default train, dev and, where such a corpus can have it, test.

    Raises:
        DatasetError: the data are not as they should be.
        AbsentError: none of the splits is there.
    """
    found, absent = [], []
    asked = splits or (_SPLITS[:2] if dataset in CORPORA else _SPLITS)
    for split in asked:
        try:
            found.append(split_report(dataset, root, split))
        except AbsentError as error:
            absent.append(AbsentSplit(split, str(error)))
    if not found:
        raise AbsentError(absent[0].why)
    paper = tuple(count for count in PAPER.get(dataset, ()) if set(count.splits) <= set(asked))
    return DatasetReport(dataset, str(root), tuple(found), tuple(absent), paper, REMARKS.get(dataset, ""))


def split_report(dataset: str, root: Path, split: str) -> SplitReport:
    """Return what one split holds.

    Raises:
        DatasetError: there is no such corpus or split, or the data are not as they should be.
    """
    if dataset in CLIPS:
        return _of_clips(split, load_clips(dataset, root, split))
    if dataset in FACES:
        return _of_faces(split, load_faces(dataset, root, split))
    return _of_conversations(load_conversations(dataset, root, split))


def by_reason(entries: Iterable[Skipped]) -> dict[str, list[str]]:
    """Return the names by why they are listed, the most frequent reason first."""
    groups: dict[str, list[str]] = {}
    for entry in entries:
        groups.setdefault(entry.why, []).append(entry.name)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def _of_conversations(found: Conversations) -> SplitReport:
    utterances = found.utterances
    clips = [utterance.clip for utterance in utterances if utterance.clip is not None]
    return SplitReport(
        found.split,
        len(utterances),
        _count(found.labels, [utterance.label for utterance in utterances]),
        dialogs=len(found.dialogs),
        speakers=len({utterance.turn.speaker for utterance in utterances}),
        audio=sum(1 for clip in clips if clip.sound or clip.video),
        visual=sum(1 for clip in clips if clip.video),
        skipped=found.skipped,
        noted=found.noted,
    )


def _of_clips(split: str, found: LabelledClips) -> SplitReport:
    labels = _count(found.classes, [clip.label for clip in found])
    speakers = {clip.speaker for clip in found} - {""}
    return SplitReport(split, len(found), labels, speakers=len(speakers) or None, skipped=found.skipped)


def _of_faces(split: str, found: FaceSet) -> SplitReport:
    labels = _count(found.classes, found.labels.tolist())
    return SplitReport(split, len(found.labels), labels, skipped=found.skipped)


def _count(names: Sequence[str], labels: Sequence[int]) -> dict[str, int]:
    counts = Counter(labels)
    return {name: counts[index] for index, name in enumerate(names)}
