"""Labelled sound: clips of the acted speech corpora, by what their file names say, split by speaker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.labels import LABEL_INDEX, LABELS
from trainer.data.conversation import AbsentError, DatasetError, Skipped
from trainer.data.label_folders import SOUND, files_under
from trainer.data.places import corpus_folder, home
from trainer.data.speech_corpora import CORPORA, STARTER_CORPORA, Corpus
from trainer.data.votes import Votes, load_votes, majority


@dataclass(frozen=True)
class SpeechClip:
    """One clip.

    Attributes:
        path: its file.
        corpus: its name.
        speaker: empty where it is not known.
        label: the index of its emotion.
        votes: the raters' shares of each label, where they were asked; the label is then what most of them heard.
    """

    path: Path
    corpus: str
    speaker: str
    label: int
    votes: tuple[float, ...] | None = None


@dataclass(frozen=True)
class LabelledClips:
    """Clips of one corpus.

    Attributes:
        corpus: its name.
        clips: in a fixed order.
        classes: what their labels are indices of.
        skipped: files left out.
    """

    corpus: str
    clips: tuple[SpeechClip, ...]
    classes: tuple[str, ...] = LABELS
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[SpeechClip]:
        return iter(self.clips)


def speaker_ids(corpora: Sequence[str], speakers: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return ``(n,)``, a number for each speaker of each corpus; a clip whose speaker is not known has its own."""
    known = zip(corpora, speakers, strict=True)
    names = [f"{corpus}/{speaker}" if speaker else f"?{row}" for row, (corpus, speaker) in enumerate(known)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def load_speech(root: Path, split: Literal["train", "dev"]) -> tuple[SpeechClip, ...]:
    """Return the clips of one split of every corpus of the starter bundle under ``root``, in a fixed order.

    Raises:
        DatasetError: a corpus is missing, or a file is not named as the corpus names its files.
    """
    return tuple(clip for corpus in STARTER_CORPORA for clip in load_corpus(corpus.name, root, split))


def load_corpus(name: str, root: Path, split: str) -> LabelledClips:
    """Return clips of one acted corpus, whatever folders below they are in.

    Args:
        name: one of :data:`trainer.data.speech_corpora.CORPORA`; where there are votes of raters with it
            (:mod:`trainer.data.votes`), they tell the emotions, not the files' names.
        root: the corpus's folder, or the one that holds it under its name.
        split: ``train`` or ``dev``, by speaker; ``all``; or the path of a folder, which is read whole.

    Raises:
        DatasetError: there is no such corpus, a file is not named as the corpus names its files, or nobody voted on it.
    """
    corpus = CORPORA[name]
    folder, whole = corpus_folder(name, root, split)
    files = files_under(folder, SOUND)
    if not any(corpus.pattern.fullmatch(path.stem) for path in files):
        message = f"no sound files named as {name} names them in {folder}; check --root, --data and --split"
        raise AbsentError(message)
    votes = load_votes(name, home(name, root))
    parsed = [_parse(path, corpus, votes) for path in files]
    chosen = [entry for speaker, entry in parsed if whole or corpus.is_dev(speaker) == (split == "dev")]
    clips = tuple(entry for entry in chosen if isinstance(entry, SpeechClip))
    return LabelledClips(name, clips, skipped=tuple(entry for entry in chosen if isinstance(entry, Skipped)))


def _parse(path: Path, corpus: Corpus, votes: Votes | None) -> tuple[str, SpeechClip | Skipped]:
    """Return who speaks, and the clip or why it is left out."""
    match = corpus.pattern.fullmatch(path.stem)
    if match is None or match["emotion"] not in corpus.emotions:
        message = f"{path}: not named as {corpus.name} names its files; remove it or rename it"
        raise DatasetError(message)
    speaker, emotion = match["speaker"] or path.parent.name, corpus.emotions[match["emotion"]]
    if votes is not None:
        return speaker, _voted(path, corpus, speaker, votes)
    if emotion is None:
        return speaker, Skipped(path.name, f"its emotion, {match['emotion']}, is not one of the seven")
    return speaker, SpeechClip(path, corpus.name, speaker, LABEL_INDEX[emotion])


def _voted(path: Path, corpus: Corpus, speaker: str, votes: Votes) -> SpeechClip | Skipped:
    if path.stem not in votes:
        message = f"{path}: nobody voted on it; remove it, or the table of votes"
        raise DatasetError(message)
    shares = votes[path.stem]
    label = majority(shares)
    if label is None:
        return Skipped(path.name, "raters heard two emotions in it equally often")
    return SpeechClip(path, corpus.name, speaker, label, shares)
