"""The voice rows of the starter's report: held-out speakers, and whole corpora that were never heard."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from models.bundle import Bundle
from models.networks.calibration import fit_temperature
from models.networks.speech_encoder import VoiceExtractor, VoiceHead
from trainer.dev_outputs import DevOutputs
from trainer.evaluation.report import NamedScores, RowName
from trainer.evaluation.scores import Scores, score
from trainer.evaluation.voices import AUDIO, VIEWS
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.audio import Sounds
from trainer.stages.histories import Histories, logits_after

LEFT_OUT: Final = f"{AUDIO} trained without"
HELD_OUT_UA: Final = 0.74
"""Of held-out speakers, averaged over the corpora, without a history."""
LEFT_OUT_UA: Final = {"": 0.52, VIEWS["after_8"]: 0.60}
"""Of whole corpora never heard, averaged over them, by how much of their speakers is known."""
_FOLDS: Final = 5

Logits = Mapping[str, Floats]
"""Of the same clips, by how much of their speakers is known: the name of a row's view, empty for nothing."""


def held_out_logits(bundle: Bundle, outputs: DevOutputs) -> Logits:
    """Return what the audio branch says of held-out speakers, without and with histories."""
    sounds, network = outputs.data.sounds_dev, bundle.audio
    logits = {"": outputs.audio.logits}
    if isinstance(network, VoiceExtractor) and network.voice.baseline is not None:
        statistics = outputs.statistics.cpu().numpy()
        logits |= after_histories(network.voice, statistics, sounds, bundle.config.temperatures.audio)
    return logits


def held_out_rows(logits: Logits, sounds: Sounds) -> list[NamedScores]:
    """Return the audio branch's scores on held-out speakers, of all and of each corpus."""
    return [*rows_of(AUDIO, logits, sounds), *_corpus_rows(logits, sounds)]


def after_histories(head: VoiceHead, statistics: Floats, sounds: Sounds, temperature: float = 1.0) -> dict[str, Floats]:
    """Return the logits of each clip after the histories that an evaluation draws, by the names of their rows."""
    histories = Histories(sounds.speaker_ids, sounds.labels, sounds.classes)
    return {
        VIEWS[name]: logits_after(head, statistics, drawn, temperature) for name, drawn in histories.judged().items()
    }


def rows_of(name: str, logits: Logits, sounds: Sounds) -> Iterator[NamedScores]:
    """Yield a row for each view; the calibration error is that of temperatures fitted on other speakers."""
    for view, found in logits.items():
        temperatures = other_speakers_temperatures(found, sounds.labels, sounds.speaker_ids)
        scores = score(sounds.labels, found, sounds.classes, temperatures)
        yield NamedScores(name=RowName(network=name, modalities="audio", view=view), scores=scores)


def _corpus_rows(logits: Logits, sounds: Sounds) -> Iterator[NamedScores]:
    for name in sorted(set(sounds.corpora)):
        rows = sounds.of_corpus(name)
        yield from rows_of(f"{AUDIO}, {name}", {view: found[rows] for view, found in logits.items()}, sounds.only(rows))


def other_speakers_temperatures(logits: Floats, labels: Ints, people: Ints) -> Floats:
    """Return ``(n,)``, for each clip the temperature that the clips of speakers in other folds ask for.

    So is told how sure a branch is of what its temperature was not fitted on. Of too few speakers there is one fold.
    """
    _, person = np.unique(people, return_inverse=True)
    folds = min(_FOLDS, int(person.max(initial=0)) + 1)
    if folds == 1:
        return np.full(len(labels), fit_temperature(logits, labels), np.float32)
    found = np.empty(len(labels), np.float32)
    for fold in range(folds):
        inside = person % folds == fold
        found[inside] = fit_temperature(logits[~inside], labels[~inside])
    return found


def voice_demands(rows: Sequence[tuple[RowName, Scores]]) -> Iterator[tuple[str, float, float]]:
    """Yield what a voice branch must reach: the demand, the value and its bound, of what was judged."""
    neutral = VIEWS["after_8_neutral"]
    for told, prefix, bounds in (
        ("held-out speakers", f"{AUDIO}, ", {"": HELD_OUT_UA}),
        ("whole corpora never heard", f"{LEFT_OUT} ", LEFT_OUT_UA),
    ):
        means = _means(rows, prefix)
        for view, bound in bounds.items():
            if view in means:
                yield f"voices of {told}, {view or 'no history'}: mean UA over the corpora", means[view], bound
        if neutral in means:
            yield f"voices of {told}, {neutral}: not below that without a history", means[neutral], means[""]


def _means(rows: Sequence[tuple[RowName, Scores]], prefix: str) -> dict[str, float]:
    """Return the mean over corpora of the unweighted accuracy, by view."""
    found: dict[str, list[float]] = {}
    for name, scores in rows:
        if name.network.startswith(prefix):
            found.setdefault(name.view, []).append(scores.unweighted_accuracy)
    return {view: float(np.mean(values)) for view, values in found.items()}
