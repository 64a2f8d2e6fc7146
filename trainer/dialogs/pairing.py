"""Which voice and face go with each MELD utterance: the label-matched pairing of the starter bundle.

MELD's sound and images are not part of the data, so every utterance gets a voice and a face of its label
from other corpora, or of another: how often is drawn anew for each dialog, between "always matched" and
"mostly not" (the paper's Table 2 has voice and face far behind the text on MELD). What the fusion learns to
do where they disagree is a decision, not a measurement:

* words with an emotion, voice or face of another: the words win (MELD's label stays);
* neutral words, voice or face with an emotion: at times the label becomes theirs, since a person who says
  something neutral in anger expects to see anger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.labels import LABEL_INDEX, LABELS

NEUTRAL: Final = LABEL_INDEX["neutral"]


Pattern = tuple[tuple[str, ...], float]

PATTERNS: Final[tuple[Pattern, ...]] = (
    (("text",), 0.25),
    (("text", "audio"), 0.25),
    (("text", "face"), 0.10),
    (("text", "audio", "face"), 0.25),
    (("audio",), 0.05),
    (("face",), 0.04),
    (("audio", "face"), 0.06),
)
"""Which modalities a dialog has, and how often: what makes any subset work (modality dropout)."""


@dataclass(frozen=True)
class PairingSettings:
    """Rates of the pairing."""

    max_mismatch: float = 0.6
    """The rate of a dialog is uniform between 0 and this."""
    blank_share: float = 0.6
    """Of the mismatched voices and faces, how many are neutral ones."""
    expressive_share: float = 0.5
    """Of the dialogs with voice or face, in how many neutral words may be said with emotion."""
    expressive_rate: float = 0.5
    """In those dialogs, of how many neutral utterances."""
    drop_one: float = 0.05
    """How often a single utterance lacks a modality that its dialog has."""
    as_unheard: bool = False
    """Voices, faces and other words are drawn so that their branches are as often wrong, and as sure, as on dev."""
    other_words: float = 0.0
    """In how many dialogs the words are those of other utterances of the same emotions."""
    crop_rate: float = 0.3
    """How often a dialog is cut to a random stretch, so that short dialogs are known too."""
    patterns: tuple[Pattern, ...] = PATTERNS
    """Which modalities a dialog has, and how often."""


@dataclass(frozen=True)
class Pairing:
    """For one utterance: its label, and the labels of its voice and face (None: absent)."""

    label: int
    has_text: bool
    voice: int | None
    face: int | None


def pair_dialog(labels: Sequence[int], settings: PairingSettings, generator: np.random.Generator) -> list[Pairing]:
    """Return the pairing of one dialog's utterances, all randomness from ``generator``."""
    patterns = settings.patterns
    modalities = patterns[generator.choice(len(patterns), p=[weight for _, weight in patterns])][0]
    mismatch = generator.uniform(0, settings.max_mismatch)
    seen = len(modalities) > 1 or modalities[0] != "text"
    expressive = seen and generator.random() < settings.expressive_share
    return [_pair(label, modalities, mismatch, expressive, settings, generator) for label in labels]


def _pair(
    label: int,
    modalities: Sequence[str],
    mismatch: float,
    expressive: bool,
    settings: PairingSettings,
    generator: np.random.Generator,
) -> Pairing:
    present = [name for name in modalities if generator.random() >= settings.drop_one] or list(modalities)
    if expressive and label == NEUTRAL and present != ["text"] and generator.random() < settings.expressive_rate:
        emotion = int(generator.integers(len(LABELS)))
        return Pairing(
            emotion,
            "text" in present,
            emotion if "audio" in present else None,
            emotion if "face" in present else None,
        )
    return Pairing(
        label,
        "text" in present,
        _other(label, mismatch, settings, generator) if "audio" in present else None,
        _other(label, mismatch, settings, generator) if "face" in present else None,
    )


def _other(label: int, mismatch: float, settings: PairingSettings, generator: np.random.Generator) -> int:
    if generator.random() >= mismatch:
        return label
    return NEUTRAL if generator.random() < settings.blank_share else int(generator.integers(len(LABELS)))
