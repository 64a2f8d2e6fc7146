"""Which modalities an evaluation uses: parsed from the command line, and all subsets of them."""

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from models.bundle_config import Temperatures, Thresholds
from trainer.dialogs.features import MODALITIES, DialogFeatures, Modality
from trainer.evaluation.scores import EvaluationError
from trainer.fit.outputs import Floats

_VISUAL: Final = "visual"
_PARTS: Final[dict[str, tuple[Modality, ...]]] = {
    **{name: (name,) for name in MODALITIES},
    _VISUAL: ("face", "scene"),
}
"""What a name stands for; the paper's visual modality has two halves, the face and the scene."""


def parse_modalities(names: Iterable[str]) -> tuple[Modality, ...]:
    """Return the modalities that names such as ``text,audio`` or ``visual`` stand for, in the fusion's order.

    Raises:
        EvaluationError: a name is unknown, or there is none.
    """
    wanted = [part.strip().lower() for name in names for part in name.replace("+", ",").split(",") if part.strip()]
    unknown = [name for name in wanted if name not in _PARTS]
    if unknown or not wanted:
        told = f"unknown modality {unknown[0]!r}" if unknown else "no modality is named"
        message = f"{told}: name some of {', '.join(_PARTS)}, with commas between"
        raise EvaluationError(message)
    return expanded(wanted)


def expanded(names: Iterable[str]) -> tuple[Modality, ...]:
    """Return the fusion's inputs that known names stand for, each once and in order."""
    found = {part for name in names for part in _PARTS[name]}
    return tuple(part for part in MODALITIES if part in found)


def subsets(there: Collection[Modality]) -> list[tuple[Modality, ...]]:
    """Return the subsets of the paper's three modalities: seven rows if all are there.

    The visual one has the halves that are there.
    """
    names = [name for name in ("text", "audio", _VISUAL) if set(_PARTS[name]) & set(there)]
    chosen = (some for size in range(1, len(names) + 1) for some in combinations(names, size))
    return [tuple(part for part in expanded(some) if part in there) for some in chosen]


def shown(modalities: Sequence[Modality]) -> str:
    """Return the name of a set of modalities, such as ``text + visual``."""
    names: list[str] = list(modalities)
    if set(_PARTS[_VISUAL]) <= set(names):
        names = [name for name in names if name not in _PARTS[_VISUAL]] + [_VISUAL]
    return " + ".join(names)


def of_utterances(fitted: Temperatures | Thresholds, dialogs: Sequence[DialogFeatures]) -> Floats:
    """Return the fusion's temperature or threshold of each utterance, dialog after dialog: what it has decides."""
    found = [fitted.for_modalities(there) for dialog in dialogs for there in dialog.present()]
    return np.array(found, np.float32)
