"""The audio branch alone on labelled voices: of speakers it has not heard before, and after some of what they said."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.bundle import Bundle
from models.media.sound import Samples, read_voice
from models.media.spectrogram import sound_input
from models.networks.speech_encoder import VoiceExtractor
from trainer.data.conversation import Skipped
from trainer.data.speech import LabelledClips, speaker_ids
from trainer.evaluation.branches import BranchScores, lacking, lacks
from trainer.evaluation.notes import skipped_notes
from trainer.evaluation.relabel import relabelled
from trainer.evaluation.report import NamedScores, Report, RowName
from trainer.evaluation.scores import EvaluationError, Scores, score
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.audio import trim
from trainer.stages.histories import AFTER, Histories, logits_after

AUDIO: Final = "audio branch"
VIEWS: Final = {"after_8": f"after {AFTER} utterances", "after_8_neutral": f"after {AFTER} neutral utterances"}
"""What rows are called that are told beside the score without a history, by the end of their key."""


class VoiceReport(Report):
    """An evaluation on voices."""

    def as_json(self) -> dict[str, Any]:
        """Return the report with the accuracy after histories at the top, null where there is none."""
        rows = {row.name.view: row.mean.unweighted_accuracy for row in self.rows}
        after = {f"unweighted_accuracy_{key}": rows.get(view) for key, view in VIEWS.items()}
        return super().as_json() | after


@dataclass(frozen=True, eq=False)
class AudioAnswers:
    """What the audio branch says of clips.

    Attributes:
        logits: ``(n, classes)``, of the clips that could be read, each as a speaker's first.
        statistics: ``(n, dim)``, standardised; None of a branch that has learned no baselines.
        rows: ``(n,)``, which of the clips those are.
        skipped: the others, each with the reason.
    """

    logits: Floats
    statistics: Floats | None
    rows: Ints
    skipped: tuple[Skipped, ...]


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
def hear(bundle: Bundle, paths: Sequence[Path]) -> AudioAnswers:
    """Return what the audio branch says of each clip, one after the other; one that can't be read is skipped.

    Raises:
        EvaluationError: the bundle has no audio branch, or no clip could be read.
    """
    answers: list[tuple[Tensor, Tensor]] = []
    statistics: list[Tensor] = []
    rows: list[int] = []
    skipped: list[Skipped] = []
    for row, path in enumerate(tqdm(paths, desc="clips", unit="clip")):
        try:
            images = torch.from_numpy(sound_input(bundle.config.audio.kind, [decode_clip(path)]))
        except ValueError as error:
            skipped.append(Skipped(path.name, str(error)))
            continue
        answers.append(_answer(bundle, images, statistics))
        rows.append(row)
    if not answers:
        message = f"no clip could be read: {skipped[0].why if skipped else 'there is none in this split'}"
        raise EvaluationError(message)
    known = torch.cat(statistics).numpy() if statistics else None
    return AudioAnswers(BranchOutput.gather(answers).logits, known, np.array(rows, np.int64), tuple(skipped))


def _answer(bundle: Bundle, images: Tensor, statistics: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return embedding and logits, and add the statistics of a branch that has learned baselines."""
    network = bundle.audio
    if network is None:
        raise lacks(branch="audio")
    if not (isinstance(network, VoiceExtractor) and network.voice.baseline is not None):
        answer: tuple[Tensor, Tensor] = network(images)
        return answer
    statistics.append(network.statistics(images))
    told: tuple[Tensor, Tensor] = network.voice(statistics[-1])
    return told


def audio_rows(bundle: Bundle, clips: LabelledClips) -> BranchScores:
    """Return the audio branch's scores on the clips that can be read, and those after what their speakers said.

    Raises:
        EvaluationError: the bundle has no audio branch or not the corpus's labels, or no clip could be read.
    """
    config = bundle.config
    indices = np.array([clip.label for clip in clips], np.int64)
    truth = relabelled(indices, clips.classes, config.labels, clips.corpus)
    heard = hear(bundle, [clip.path for clip in clips])
    truth = truth[heard.rows]
    rows = [_row("", score(truth, heard.logits, config.labels, config.temperatures.audio))]
    if heard.statistics is not None:
        said = [clips.clips[row] for row in heard.rows]
        people = speaker_ids([clip.corpus for clip in said], [clip.speaker for clip in said])
        rows += _after(bundle, heard.statistics, truth, people)
    notes = (
        *lacking(truth, config.labels, clips.corpus),
        *skipped_notes((*clips.skipped, *heard.skipped), len(clips) + len(clips.skipped), "clips"),
        *_history_notes(rows),
    )
    return BranchScores(tuple(rows), notes)


def _after(bundle: Bundle, statistics: Floats, truth: Ints, people: Ints) -> list[NamedScores]:
    """Return a row for each kind of history that there is."""
    assert isinstance(bundle.audio, VoiceExtractor)  # noqa: S101 - the caller looked
    config, temperature = bundle.config, bundle.config.temperatures.audio
    histories = Histories(people, truth, config.labels)
    rows = []
    for name, drawn in histories.judged().items():
        if any(map(len, drawn)):
            logits = logits_after(bundle.audio.voice, statistics, drawn, temperature)
            rows.append(_row(VIEWS[name], score(truth, logits, config.labels, temperature)))
    return rows


def _row(view: str, scores: Scores) -> NamedScores:
    return NamedScores(name=RowName(network=AUDIO, modalities="audio", view=view), scores=scores)


def _history_notes(rows: Sequence[NamedScores]) -> tuple[str, ...]:
    if len(rows) > 1:
        note = f"histories are drawn from each speaker's other clips, {AFTER} or as many as there are, by one seed"
        return (note,)
    return ("no history: the speakers are not known, have one clip each, or the branch has learned no baselines",)
