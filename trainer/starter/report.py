"""What a starter bundle reaches on dev: the figures of its model card and of ``m2fnet evaluate starter``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from models.bundle import Bundle
from models.networks.calibration import expected_calibration_error, probabilities
from trainer.dialogs.features import DialogFeatures
from trainer.dialogs.logits import full_logits
from trainer.features.transcripts import Transcribe
from trainer.fit.metrics import Ints, accuracy, macro_f1, unweighted_accuracy, weighted_f1
from trainer.fit.outputs import Floats
from trainer.stages.audio import corpus_metrics
from trainer.stages.fusion import truth
from trainer.starter.data import StarterData
from trainer.starter.dev_features import Branches, DevFeatures
from trainer.starter.fusion import text_only

TEXT_TOLERANCE = 0.005
"""How far the fused score of text alone may lie below the text branch's."""
VOICE_SHARE = 0.8
"""What of the audio branch's score must be left when neutral words are said with emotion."""


class Calibration(BaseModel):
    """Expected calibration error (15 bins) before and after the temperature."""

    model_config = ConfigDict(frozen=True)

    before: float
    after: float
    temperature: float


class Check(BaseModel):
    """One demand on the bundle, and whether it is met."""

    model_config = ConfigDict(frozen=True)

    demand: str
    value: float
    bound: float
    met: bool


class StarterReport(BaseModel):
    """All figures are of dev data; scores are shares of 1."""

    model_config = ConfigDict(frozen=True)

    text_weighted_f1: float
    text_macro_f1: float
    fused_text_weighted_f1: float
    fused_text_macro_f1: float
    face_accuracy: float
    face_unweighted_accuracy: float
    face_macro_f1: float
    audio_unweighted_accuracy: dict[str, float]
    audio_mean_unweighted_accuracy: float
    ravdess_audio: float
    ravdess_fused: float
    ravdess_fused_with_face: float
    ravdess_without_words: int
    calibration: dict[str, Calibration]

    def checks(self) -> list[Check]:
        """Return what the bundle must hold."""
        text_bound = self.text_weighted_f1 - TEXT_TOLERANCE
        voice_bound = VOICE_SHARE * self.ravdess_audio
        return [
            Check(
                demand="MELD dev, text alone: fused weighted F1 within 0.5 points of the text branch or better",
                value=self.fused_text_weighted_f1,
                bound=text_bound,
                met=self.fused_text_weighted_f1 >= text_bound,
            ),
            Check(
                demand="held-out RAVDESS, voice and recognised words: fused UA at least 80% of the audio branch's",
                value=self.ravdess_fused,
                bound=voice_bound,
                met=self.ravdess_fused >= voice_bound,
            ),
            Check(
                demand="the same with a FER2013 dev face of the right label: higher than without",
                value=self.ravdess_fused_with_face,
                bound=self.ravdess_fused,
                met=self.ravdess_fused_with_face > self.ravdess_fused,
            ),
        ]


@dataclass(frozen=True)
class _Fused:
    """The fusion's answers for some dialogs; ``temperatures`` are those of what each utterance rests on."""

    logits: Floats
    labels: Ints
    temperatures: Floats

    @property
    def predicted(self) -> Ints:
        return np.asarray(self.logits.argmax(axis=1), np.int64)


def evaluate_bundle(bundle: Bundle, data: StarterData, transcribe: Transcribe) -> StarterReport:
    """Score a bundle on the dev data, the words of RAVDESS as the speech recogniser hears them.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
    """
    config = bundle.config
    dev = DevFeatures(data, Branches.of(bundle))
    words = recognise(data, transcribe)
    spoken = dev.spoken(words)
    text = _fused(bundle, [text_only(dialog) for dialog in dev.dialogs])
    voice, seen = _fused(bundle, spoken), _fused(bundle, dev.seen(spoken))
    heard = corpus_metrics(dev.audio.logits, data.sounds_dev)
    read = dev.text.logits.argmax(axis=1)
    looked = dev.face.logits.argmax(axis=1)
    return StarterReport(
        text_weighted_f1=weighted_f1(text.labels, read),
        text_macro_f1=macro_f1(text.labels, read),
        fused_text_weighted_f1=weighted_f1(text.labels, text.predicted),
        fused_text_macro_f1=macro_f1(text.labels, text.predicted),
        face_accuracy=accuracy(data.faces_dev.labels, looked),
        face_unweighted_accuracy=unweighted_accuracy(data.faces_dev.labels, looked),
        face_macro_f1=macro_f1(data.faces_dev.labels, looked),
        audio_unweighted_accuracy={name: heard[name] for name in sorted(set(data.sounds_dev.corpora))},
        audio_mean_unweighted_accuracy=heard["mean_unweighted_accuracy"],
        ravdess_audio=heard["ravdess"],
        ravdess_fused=unweighted_accuracy(voice.labels, voice.predicted),
        ravdess_fused_with_face=unweighted_accuracy(seen.labels, seen.predicted),
        ravdess_without_words=sum(not said for said in words),
        calibration={
            "text": _calibration(dev.text.logits, text.labels, config.temperatures.text),
            "audio": _calibration(dev.audio.logits, data.sounds_dev.labels, config.temperatures.audio),
            "face": _calibration(dev.face.logits, data.faces_dev.labels, config.temperatures.face),
            "fused": _fused_calibration([text, voice, seen]),
        },
    )


def recognise(data: StarterData, transcribe: Transcribe) -> list[str]:
    """Return the words recognised in each held-out RAVDESS clip."""
    sounds = [data.sounds_dev.samples[row] for row in data.ravdess_rows]
    return [transcribe(samples) for samples in tqdm(sounds, desc="words of RAVDESS")]


def _fused(bundle: Bundle, examples: Sequence[DialogFeatures]) -> _Fused:
    temperatures = [
        bundle.config.temperatures.for_modalities(present) for example in examples for present in example.present()
    ]
    logits = full_logits(bundle.fusion, examples, bundle.config.fusion)
    return _Fused(logits, truth(examples), np.array(temperatures, np.float32))


def _fused_calibration(answers: Sequence[_Fused]) -> Calibration:
    logits, labels = (np.concatenate([getattr(answer, name) for answer in answers]) for name in ("logits", "labels"))
    temperatures = np.concatenate([answer.temperatures for answer in answers])
    return Calibration(
        before=expected_calibration_error(probabilities(logits), labels),
        after=expected_calibration_error(probabilities(logits / temperatures[:, None]), labels),
        temperature=float(temperatures.mean()),
    )


def _calibration(logits: Floats, labels: Ints, temperature: float) -> Calibration:
    return Calibration(
        before=expected_calibration_error(probabilities(logits), labels),
        after=expected_calibration_error(probabilities(logits, temperature), labels),
        temperature=temperature,
    )
