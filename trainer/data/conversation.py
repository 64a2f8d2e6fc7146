"""Labelled conversations, whatever corpus they come from: what every reader returns and every stage takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from models.text_input import Turn
from models.user_error import UserError

Half = Literal["left", "right"]
Split = Literal["train", "dev", "test"]


LONGEST_MS: Final = 5 * 60_000
"""Longer than this, five minutes, is no utterance but a mistake in the times."""


def odd_length(start_ms: int, end_ms: int) -> str | None:
    """Say what is odd about the length of an utterance by its times, or None if nothing is."""
    length = end_ms - start_ms
    if length <= 0:
        return f"{length / 1000:g} s long by its times"
    if length > LONGEST_MS:
        return f"{length / 60_000:.1f} minutes long by its times"
    return None


class DatasetError(UserError):
    """A corpus is missing, laid out wrongly or holds something outside its label set; says where and what to do."""


class AbsentError(DatasetError):
    """A corpus, or the split asked for, is not where it was looked for."""


@dataclass(frozen=True)
class Clip:
    """Where an utterance can be seen and heard.

    Attributes:
        video: a file with images, and with the sound unless ``sound`` names another; None: no images.
        sound: a file with sound of its own; None: the video's.
        start_ms: where the utterance starts in ``video``, in milliseconds; None: the file is the utterance.
        end_ms: where it ends, likewise.
        half: which half of the image shows the speaker (IEMOCAP's two people share one); None: all of it.
        sound_is_cut: ``sound`` holds the utterance alone, so that ``start_ms`` and ``end_ms`` count for the video only.
    """

    video: Path | None = None
    sound: Path | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    half: Half | None = None
    sound_is_cut: bool = False


@dataclass(frozen=True)
class Utterance:
    """One labelled utterance of a dialog.

    Attributes:
        name: unique in its corpus and split, such as ``dia3_utt1``.
        turn: who said what.
        label: an index of the labels of its :class:`Conversations`.
        clip: its media; None where there are none, as with transcripts alone.
    """

    name: str
    turn: Turn
    label: int
    clip: Clip | None = None


Dialog = tuple[Utterance, ...]


@dataclass(frozen=True)
class Skipped:
    """An utterance left out, or its clip: which, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Conversations:
    """One split of a corpus; each dialog is in the order of its utterances.

    Attributes:
        corpus: its name, such as ``meld``.
        split: which part of it.
        labels: what the utterances' labels are indices of.
        dialogs: the labelled utterances.
        skipped: utterances left out.
        noted: utterances that stay, without their clip or with something odd about their times.
    """

    corpus: str
    split: str
    labels: tuple[str, ...]
    dialogs: tuple[Dialog, ...]
    skipped: tuple[Skipped, ...] = ()
    noted: tuple[Skipped, ...] = ()

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """Return all utterances, dialog after dialog."""
        return tuple(utterance for dialog in self.dialogs for utterance in dialog)
