"""One branch alone on its own kind of data: voices, or faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.bundle import Bundle
from models.media.sound import Samples, read_voice
from trainer.data.conversation import Skipped
from trainer.data.faces import FaceSet
from trainer.data.speech import LabelledClips
from trainer.evaluation.notes import skipped_notes
from trainer.evaluation.relabel import relabelled
from trainer.evaluation.report import NamedScores, RowName
from trainer.evaluation.scores import EvaluationError, score
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.audio import trim
from trainer.stages.face import face_outputs


@dataclass(frozen=True, eq=False)
class Heard:
    """What the audio branch says of clips.

    Attributes:
        logits: ``(n, classes)``, of the clips that could be read.
        rows: ``(n,)``, which of the clips those are.
        skipped: the others, each with the reason.
    """

    logits: Floats
    rows: Ints
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Judged:
    """A branch's scores, and what must be said about them."""

    row: NamedScores
    notes: tuple[str, ...]


def decode_clip(path: Path) -> Samples:
    """Return the sound of a whole clip, cut as in training: without the silence at its ends, 8 s at most.

    Raises:
        ValueError: the clip can't be read or holds no sound.
    """
    samples = trim(read_voice(path))
    if not len(samples):
        message = f"{path} holds no sound"
        raise ValueError(message)
    return samples


@torch.inference_mode()
def hear(bundle: Bundle, paths: Sequence[Path]) -> Heard:
    """Return what the audio branch says of each clip, one after the other; one that can't be read is skipped.

    Raises:
        EvaluationError: the bundle has no audio branch, or no clip could be read.
    """
    if bundle.audio is None:
        raise _lacks(branch="audio")
    outputs: list[tuple[Tensor, Tensor]] = []
    rows: list[int] = []
    skipped: list[Skipped] = []
    for row, path in enumerate(tqdm(paths, desc="clips", unit="clip")):
        try:
            samples = decode_clip(path)
        except ValueError as error:
            skipped.append(Skipped(path.name, str(error)))
            continue
        outputs.append(bundle.audio(bundle.audio_input([samples])))
        rows.append(row)
    if not outputs:
        message = f"no clip could be read: {skipped[0].why if skipped else 'there is none in this split'}"
        raise EvaluationError(message)
    return Heard(BranchOutput.gather(outputs).logits, np.array(rows, np.int64), tuple(skipped))


def audio_row(bundle: Bundle, clips: LabelledClips) -> Judged:
    """Return the audio branch's scores on the clips that can be read.

    Raises:
        EvaluationError: the bundle has no audio branch or not the corpus's labels, or no clip could be read.
    """
    config = bundle.config
    indices = np.array([clip.label for clip in clips], np.int64)
    truth = relabelled(indices, clips.classes, config.labels, clips.corpus)
    heard = hear(bundle, [clip.path for clip in clips])
    scores = score(truth[heard.rows], heard.logits, config.labels, config.temperatures.audio)
    notes = (
        *lacking(truth[heard.rows], config.labels, clips.corpus),
        *skipped_notes((*clips.skipped, *heard.skipped), len(clips) + len(clips.skipped), "clips"),
    )
    return Judged(NamedScores(name=RowName(network="audio branch", modalities="audio"), scores=scores), notes)


def face_row(bundle: Bundle, faces: FaceSet, corpus: str) -> Judged:
    """Return the visual branch's scores on faces.

    Raises:
        EvaluationError: the bundle has no visual branch or not the corpus's labels, or there are no faces.
    """
    if bundle.face is None:
        raise _lacks(branch="visual")
    config = bundle.config
    truth = relabelled(faces.labels, faces.classes, config.labels, corpus)
    if not len(truth):
        message = "there are no faces in this split"
        raise EvaluationError(message)
    scores = score(truth, face_outputs(bundle.face, faces).logits, config.labels, config.temperatures.face)
    notes = (
        *lacking(truth, config.labels, corpus),
        *skipped_notes(faces.skipped, len(truth) + len(faces.skipped), "images"),
    )
    return Judged(NamedScores(name=RowName(network="visual branch", modalities="face"), scores=scores), notes)


def lacking(truth: Ints, labels: Sequence[str], dataset: str) -> tuple[str, ...]:
    """Return a note on the labels that a corpus does not have, if there are any."""
    absent = [label for index, label in enumerate(labels) if index not in set(truth.tolist())]
    if not absent:
        return ()
    note = (
        f"{dataset} has no {', '.join(absent)}: the branch still chooses among all {len(labels)} labels, and "
        "averages over labels leave these out"
    )
    return (note,)


def _lacks(branch: Literal["audio", "visual"]) -> EvaluationError:
    return EvaluationError(f"the bundle has no {branch} branch: take one that has")
