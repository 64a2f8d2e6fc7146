"""What a starter bundle reaches on dev: the figures of its model card and of ``m2fnet evaluate starter``."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from models.bundle import Bundle
from models.bundle_config import BundleError
from trainer.corpora import Corpora
from trainer.data.names import SPOKEN
from trainer.dev_outputs import DevOutputs
from trainer.dialogs.features import MODALITIES, DialogFeatures, truth
from trainer.dialogs.logits import full_logits
from trainer.evaluation.modalities import of_utterances, shown
from trainer.evaluation.report import NamedScores, Report, RowName, over_bundles
from trainer.evaluation.scores import Scores, score
from trainer.evaluation.voices import AUDIO
from trainer.features.extract import Extraction, extract_features
from trainer.features.extractors import Extractors
from trainer.features.transcripts import Transcribe
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.starter.drawn_features import SUBSETS, seen, spoken
from trainer.starter.face_rows import FACE, face_demands, face_rows
from trainer.starter.left_out import left_out_rows
from trainer.starter.subgroups import subgroup_rows
from trainer.starter.voice_rows import held_out_logits, held_out_rows, voice_demands

TEXT_TOLERANCE: Final = 0.003
"""How far the fused score of text alone may lie below the text branch's."""
VOICE_SHARE: Final = 0.85
"""What of the audio branch's score must be left when neutral words are said with emotion."""
LEAST_RECALL: Final = 0.4
"""Of every emotion, then."""
WRONG_FACE_SHARE: Final = 0.8
"""What must be left of that with a face of another emotion."""
MOST_ECE: Final = 0.03
"""The largest calibration error."""

TEXT: Final = "text branch"
FUSED_TEXT: Final = "fusion, words alone"
FUSED_VOICE: Final = f"fusion, {SPOKEN}"
FUSED_SEEN: Final = f"fusion, {SPOKEN} with faces"
FUSED_WRONGLY_SEEN: Final = f"fusion, {SPOKEN} with wrong faces"
FUSED: Final = "fusion, all of these"
CALIBRATED: Final = (TEXT, AUDIO, FACE, FUSED)


class Check(BaseModel):
    """One demand on the bundle, and whether it is met."""

    model_config = ConfigDict(frozen=True)

    demand: str
    value: float
    bound: float
    met: bool


def _at_least(demand: str, value: float, bound: float) -> Check:
    return Check(demand=demand, value=value, bound=bound, met=value >= bound)


def _at_most(demand: str, value: float, bound: float) -> Check:
    return Check(demand=demand, value=value, bound=bound, met=value <= bound)


class StarterReport(Report):
    """Rows named by the network and what it was judged on, all of dev data."""

    def scores(self, name: str) -> Scores:
        """Return the scores of the row of this name."""
        return next(row.mean for row in self.rows if row.name.network == name)

    def checks(self) -> list[Check]:
        """Return what the bundle must hold."""
        text, voice = self.scores(FUSED_TEXT).weighted_f1, self.scores(FUSED_VOICE)
        alone = self.scores(f"{AUDIO}, {SPOKEN}").unweighted_accuracy
        right, wrong = (self.scores(name).unweighted_accuracy for name in (FUSED_SEEN, FUSED_WRONGLY_SEEN))
        means = [(row.name, row.mean) for row in self.rows]
        least = min(found.recall for found in voice.per_class.values() if found.support)
        return [
            _at_least(
                f"MELD dev, words alone: fused weighted F1 within {100 * TEXT_TOLERANCE:.1f} points of the text branch",
                text,
                self.scores(TEXT).weighted_f1 - TEXT_TOLERANCE,
            ),
            _at_least(
                f"held-out RAVDESS, voice and recognised words: fused UA at least {VOICE_SHARE:.0%} of the voice alone",
                voice.unweighted_accuracy,
                VOICE_SHARE * alone,
            ),
            _at_least("the same: the recall of every emotion", least, LEAST_RECALL),
            _at_least(
                "the same with a dev face of the right label: higher than without", right, voice.unweighted_accuracy
            ),
            _at_least(
                f"the same with a face of another label: at least {WRONG_FACE_SHARE:.0%} of that without",
                wrong,
                WRONG_FACE_SHARE * voice.unweighted_accuracy,
            ),
            *(_at_most(f"{name}: calibration error", self.scores(name).ece, MOST_ECE) for name in CALIBRATED),
            *(_at_least(*demand) for demand in face_demands(means)),
            *(_at_least(*demand) for demand in voice_demands(means)),
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
    voices = held_out_logits(bundle, outputs)
    rows = [
        *_text_rows(bundle, read),
        *face_rows(bundle, outputs),
        *held_out_rows(voices, data.sounds_dev),
        *_spoken_rows(bundle, outputs, read, said),
        *left_out_rows(data),
        *subgroup_rows(voices, data.sounds_dev, data.people_dev()),
    ]
    return StarterReport(
        dataset="meld, speech and faces",
        split="dev",
        bundles=(bundle.config.name,),
        rows=over_bundles([rows]),
        notes=(
            "calibration errors of the audio branch are those of temperatures fitted on other speakers",
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


def _spoken_rows(
    bundle: Bundle, outputs: DevOutputs, read: Extraction, said: Sequence[DialogFeatures]
) -> list[NamedScores]:
    with_faces, with_wrong = (seen(outputs, said, seed=0, right=right) for right in (True, False))
    fewer = [names for names in SUBSETS if len(names) < len(SUBSETS[-1]) and names != ("text", "audio")]
    return [
        _fused_row(bundle, FUSED_VOICE, said),
        _fused_row(bundle, FUSED_SEEN, with_faces),
        _fused_row(bundle, FUSED_WRONGLY_SEEN, with_wrong),
        *(_fused_row(bundle, f"fusion, {SPOKEN}", [one.only(names) for one in with_faces]) for names in fewer),
        _fused_row(bundle, FUSED, [*read.dialogs, *said, *with_faces]),
    ]


def _fused_row(bundle: Bundle, name: str, dialogs: Sequence[DialogFeatures]) -> NamedScores:
    given = {one for dialog in dialogs for there in dialog.present() for one in there}
    logits = full_logits(bundle.fusion, dialogs, bundle.config.fusion)
    fitted = (of_utterances(of, dialogs) for of in (bundle.config.temperatures, bundle.config.thresholds))
    return _row(bundle, name, shown([one for one in MODALITIES if one in given]), truth(dialogs), logits, *fitted)
