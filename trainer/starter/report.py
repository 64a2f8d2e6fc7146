"""What a starter bundle reaches on dev: the figures of its model card and of ``m2fnet evaluate starter``."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from models.bundle import Bundle, BundleError
from trainer.corpora import Corpora
from trainer.data.names import SPOKEN
from trainer.dev_outputs import DevOutputs
from trainer.dialogs.features import MODALITIES, DialogFeatures, truth
from trainer.dialogs.logits import full_logits
from trainer.evaluation.modalities import of_utterances, shown
from trainer.evaluation.report import NamedScores, Report, RowName, over_bundles
from trainer.evaluation.scores import Scores, score
from trainer.features.extract import Extraction, extract_features
from trainer.features.extractors import Extractors
from trainer.features.transcripts import Transcribe
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.starter.drawn_features import seen, spoken

TEXT_TOLERANCE: Final = 0.005
"""How far the fused score of text alone may lie below the text branch's."""
VOICE_SHARE: Final = 0.8
"""What of the audio branch's score must be left when neutral words are said with emotion."""

TEXT: Final = "text branch"
FUSED_TEXT: Final = "fusion, words alone"
AUDIO: Final = "audio branch"
FACE: Final = "face branch"
FUSED_VOICE: Final = f"fusion, {SPOKEN}"
FUSED_SEEN: Final = f"fusion, {SPOKEN} with faces"
FUSED: Final = "fusion, all of these"


class Check(BaseModel):
    """One demand on the bundle, and whether it is met."""

    model_config = ConfigDict(frozen=True)

    demand: str
    value: float
    bound: float
    met: bool


class StarterReport(Report):
    """Rows named by the network and what it was judged on, all of dev data."""

    def scores(self, name: str) -> Scores:
        """Return the scores of the row of this name."""
        return next(row.mean for row in self.rows if row.name.network == name)

    def checks(self) -> list[Check]:
        """Return what the bundle must hold."""
        text, voice = self.scores(FUSED_TEXT).weighted_f1, self.scores(FUSED_VOICE).unweighted_accuracy
        text_bound = self.scores(TEXT).weighted_f1 - TEXT_TOLERANCE
        voice_bound = VOICE_SHARE * self.scores(f"{AUDIO}, {SPOKEN}").unweighted_accuracy
        face = self.scores(FUSED_SEEN).unweighted_accuracy
        return [
            Check(
                demand="MELD dev, text alone: fused weighted F1 within 0.5 points of the text branch or better",
                value=text,
                bound=text_bound,
                met=text >= text_bound,
            ),
            Check(
                demand="held-out RAVDESS, voice and recognised words: fused UA at least 80% of the audio branch's",
                value=voice,
                bound=voice_bound,
                met=voice >= voice_bound,
            ),
            Check(
                demand="the same with a FER2013 dev face of the right label: higher than without",
                value=face,
                bound=voice,
                met=face > voice,
            ),
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the report as any evaluation's, with the checks."""
        return super().as_json() | {"checks": [check.model_dump() for check in self.checks()]}


def evaluate_bundle(bundle: Bundle, data: Corpora, transcribe: Transcribe) -> StarterReport:
    """Score a bundle on the dev data, the words of RAVDESS as the speech recogniser hears them.

    Raises:
        BundleError: it lacks the voice or the face.
        DatasetError: a corpus is missing or not as it should be.
    """
    if bundle.audio is None or bundle.face is None:
        message = f"the bundle {bundle.config.name} lacks a voice or a face branch, which are judged here"
        raise BundleError(message)
    outputs = DevOutputs(data, Extractors.of(bundle))
    words = recognise(data, transcribe)
    said = spoken(outputs, words)
    read = extract_features(data.dev, outputs.extractors, data.cache, modalities=["text"])
    rows = [*_text_rows(bundle, read), *_branch_rows(bundle, outputs), *_spoken_rows(bundle, outputs, read, said)]
    means = [row.scores.unweighted_accuracy for row in rows if row.name.network.startswith(f"{AUDIO}, ")]
    return StarterReport(
        dataset="meld, speech and faces",
        split="dev",
        bundles=(bundle.config.name,),
        rows=over_bundles([rows]),
        notes=(
            f"the audio branch's recall averaged over emotions, mean over the corpora: {100 * np.mean(means):.2f}",
            f"clips of {SPOKEN} in which no words were recognised: {sum(not one for one in words)}",
        ),
    )


def recognise(data: Corpora, transcribe: Transcribe) -> list[str]:
    """Return the words recognised in each dev clip of the spoken corpus."""
    sounds = data.sounds_dev
    heard = [sounds.samples[row] for row in sounds.of_corpus(SPOKEN)]
    return [transcribe(samples) for samples in tqdm(heard, desc=f"words of {SPOKEN}")]


def _row(
    bundle: Bundle,
    name: str,
    given: str,
    labels: Ints,
    logits: Floats,
    temperature: float | Floats,
    threshold: Floats | None = None,
) -> NamedScores:
    scores = score(labels, logits, bundle.config.labels, temperature, threshold)
    return NamedScores(name=RowName(network=name, modalities=given), scores=scores)


def _text_rows(bundle: Bundle, read: Extraction) -> list[NamedScores]:
    text = read.branches["text"]
    alone = _row(bundle, TEXT, "text", read.labels[text.rows], text.output.logits, bundle.config.temperatures.text)
    return [alone, _fused_row(bundle, FUSED_TEXT, read.dialogs)]


def _branch_rows(bundle: Bundle, outputs: DevOutputs) -> list[NamedScores]:
    sounds, faces, temperatures = outputs.data.sounds_dev, outputs.data.faces_dev, bundle.config.temperatures
    logits = outputs.audio.logits
    corpora = {name: sounds.of_corpus(name) for name in sorted(set(sounds.corpora))}
    return [
        _row(bundle, FACE, "face", faces.labels, outputs.face.logits, temperatures.face),
        _row(bundle, AUDIO, "audio", sounds.labels, logits, temperatures.audio),
        *(
            _row(bundle, f"{AUDIO}, {name}", "audio", sounds.labels[rows], logits[rows], temperatures.audio)
            for name, rows in corpora.items()
        ),
    ]


def _spoken_rows(
    bundle: Bundle, outputs: DevOutputs, read: Extraction, said: Sequence[DialogFeatures]
) -> list[NamedScores]:
    with_faces = seen(outputs, said, seed=0)
    return [
        _fused_row(bundle, FUSED_VOICE, said),
        _fused_row(bundle, FUSED_SEEN, with_faces),
        _fused_row(bundle, FUSED, [*read.dialogs, *said, *with_faces]),
    ]


def _fused_row(bundle: Bundle, name: str, dialogs: Sequence[DialogFeatures]) -> NamedScores:
    given = {one for dialog in dialogs for there in dialog.present() for one in there}
    logits = full_logits(bundle.fusion, dialogs, bundle.config.fusion)
    fitted = (of_utterances(of, dialogs) for of in (bundle.config.temperatures, bundle.config.thresholds))
    return _row(bundle, name, shown([one for one in MODALITIES if one in given]), truth(dialogs), logits, *fitted)
