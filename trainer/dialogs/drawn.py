"""Dialogs whose words are real and whose voices and faces are drawn by label: what the starter's fusion learns from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.labels import LABELS
from trainer.dialogs.feature_bank import FeatureBank
from trainer.dialogs.features import DialogFeatures, Modality, truth
from trainer.dialogs.pairing import Pairing, PairingSettings, pair_dialog
from trainer.fit.metrics import Metrics, least_recall, unweighted_accuracy, weighted_f1
from trainer.fit.outputs import Floats

Change = Callable[[DialogFeatures, np.random.Generator], DialogFeatures]
"""What becomes of a training dialog, anew each time it is learned from."""
Judge = Callable[[Callable[[Sequence[DialogFeatures]], Floats]], Metrics]
"""From what a network says of any dialogs, their logits in order, to its dev metrics."""

_SHORTFALL_WEIGHT: Final = 5.0  # words alone must not suffer from the fusion: that weighs more than a gain elsewhere


@dataclass(frozen=True, eq=False)
class FusionData:
    """What the fusion learns from, is chosen by, and gets its temperatures on.

    Attributes:
        train: what is learned from.
        dev: what checkpoints are chosen on.
        tempered: dev examples for each set of modalities, named as by :func:`models.bundle_config.modality_key`.
        change: what becomes of the training dialogs; None: they stay as they were recorded.
        judge: the dev metrics; None: those of ``dev``.
        widths: of embeddings that are drawn.
    """

    train: Sequence[DialogFeatures]
    dev: Sequence[DialogFeatures]
    tempered: Mapping[str, Sequence[DialogFeatures]]
    change: Change | None = None
    judge: Judge | None = None
    widths: Mapping[Modality, int] | None = None


@dataclass(frozen=True, eq=False)
class DrawnMedia:
    """Gives the utterances of a dialog voices and faces, drawn by label, at times of another.

    Attributes:
        voices: to be drawn from.
        faces: likewise.
        settings: how often what goes with what.
        words: those of other utterances of the same emotion, which at times take the place of an utterance's own, so
            that they mislead as often as those of people who were never heard; None: its own stay.
    """

    voices: FeatureBank
    faces: FeatureBank
    settings: PairingSettings
    words: FeatureBank | None = None

    def __call__(self, dialog: DialogFeatures, generator: np.random.Generator) -> DialogFeatures:
        """Return a dialog, at times a random stretch of it, with what was drawn."""
        if generator.random() < self.settings.crop_rate:
            first = int(generator.integers(len(dialog.labels)))
            dialog = dialog.part(first, int(generator.integers(first, len(dialog.labels))) + 1)
        if self.words is not None and generator.random() < self.settings.other_words:
            dialog = replace(dialog, text=[self.words.draw(label, generator) for label in dialog.labels])
        pairs = pair_dialog(dialog.labels, self.settings, generator)
        return paired_example(dialog, pairs, self.voices, self.faces, generator)


@dataclass(frozen=True, eq=False)
class DrawnJudge:
    """Judges by words alone, and by neutral words that are said with an emotion.

    Attributes:
        dev: dialogs of words alone.
        spoken: single utterances with neutral words.
        spoken_seen: the same with a face of their label.
        spoken_wrongly_seen: the same with a face of another label.
        text_weighted_f1: what the text branch alone reaches on ``dev``.
    """

    dev: Sequence[DialogFeatures]
    spoken: Sequence[DialogFeatures]
    spoken_seen: Sequence[DialogFeatures]
    spoken_wrongly_seen: Sequence[DialogFeatures]
    text_weighted_f1: float

    def __call__(self, logits: Callable[[Sequence[DialogFeatures]], Floats]) -> Metrics:
        """Return the weighted F1 of text alone, and what neutral words said with emotion give.

        ``score``, by which the checkpoint is chosen, is the mean of these and of the least recall of an emotion of
        the voices, less what text alone loses by the fusion.
        """
        metrics = {"text_weighted_f1": weighted_f1(truth(self.dev), logits(self.dev).argmax(axis=1))}
        for name in ("spoken", "spoken_seen", "spoken_wrongly_seen"):
            examples = getattr(self, name)
            predicted = logits(examples).argmax(axis=1)
            metrics[f"{name}_unweighted_accuracy"] = unweighted_accuracy(truth(examples), predicted)
            if name == "spoken":
                metrics["spoken_least_recall"] = least_recall(truth(examples), predicted)
        shortfall = max(0.0, self.text_weighted_f1 - metrics["text_weighted_f1"])
        return {**metrics, "score": float(np.mean(list(metrics.values()))) - _SHORTFALL_WEIGHT * shortfall}


def paired_example(
    dialog: DialogFeatures,
    pairs: Sequence[Pairing],
    voices: FeatureBank,
    faces: FeatureBank,
    generator: np.random.Generator,
) -> DialogFeatures:
    """Draw the voices and faces that a pairing asks for."""
    return replace(
        dialog,
        text=[text if pair.has_text else None for text, pair in zip(dialog.text, pairs, strict=True)],
        audio=[None if pair.voice is None else voices.draw(pair.voice, generator) for pair in pairs],
        face=[None if pair.face is None else faces.draw_over_frames(pair.face, generator) for pair in pairs],
        labels=[pair.label for pair in pairs],
    )


def with_face(example: DialogFeatures, faces: FeatureBank, generator: np.random.Generator) -> DialogFeatures:
    """Return an example with a correctly labelled face for every utterance."""
    return replace(example, face=[faces.draw_over_frames(label, generator) for label in example.labels])


def with_wrong_face(example: DialogFeatures, faces: FeatureBank, generator: np.random.Generator) -> DialogFeatures:
    """Return an example with a face of another label for every utterance."""
    others = [(label + int(generator.integers(1, len(LABELS)))) % len(LABELS) for label in example.labels]
    return replace(example, face=[faces.draw_over_frames(label, generator) for label in others])
