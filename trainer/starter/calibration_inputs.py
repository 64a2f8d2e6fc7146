"""Inputs of training data for each network of a starter-like bundle: what int8 quantisation is calibrated on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from models.bundle import Bundle
from models.bundle_config import NetworkName
from models.runtime.engine import Array, Outputs, ServedName
from models.runtime.export import Calibration
from trainer.corpora import Corpora
from trainer.data.conversation import DatasetError
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.starter.requests import (
    LabelledEmbeddings,
    Requests,
    dialog_requests,
    face_requests,
    some,
    text_requests,
    voice_requests,
)

Run = Callable[[NetworkName, Mapping[str, Array]], Outputs]

_DIALOGS: Final = 40
_CLIPS: Final = 300
_SEED: Final = 0


def calibration_inputs(bundle: Bundle, data: Corpora, run: Run) -> Calibration:
    """Return a few hundred inputs of each network that is to be quantised.

    Not of the scene's, of which these corpora have nothing, nor of a voice branch on Whisper's encoder: in int8 it
    lost 1.5 points of weighted F1 (benchmarks/precision.py), the others nearly nothing.

    Args:
        bundle: with a voice and a face branch.
        data: the corpora.
        run: an engine's, in float32, for the embeddings that the fusion takes.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
    """
    dialogs = some(data.train.dialogs, _DIALOGS, _SEED)
    text = text_requests(bundle, dialogs)
    voice = voice_requests(bundle, data.sounds_train, _balanced(data.sounds_train.labels))
    face = face_requests(bundle, data.faces_train, _balanced(data.faces_train.labels))
    fusion = dialog_requests(
        dialogs,
        embeddings("text", text, run),
        LabelledEmbeddings(embeddings("audio", voice, run), voice.labels, ["speech"] * len(voice.labels)),
        LabelledEmbeddings(embeddings("face", face, run), face.labels, ["faces"] * len(face.labels)),
        bundle.config.fusion,
        _SEED,
    )
    found: dict[ServedName, Sequence[Mapping[str, Array]]] = {
        "text": text.inputs,
        "face": face.inputs,
        "fusion": fusion.inputs,
    }
    if bundle.config.audio.kind != "whisper":
        found["audio"] = voice.inputs
    return found


def embeddings(name: NetworkName, requests: Requests, run: Run) -> Floats:
    """Return the embeddings ``(rows, dim)`` of all requests, in order."""
    return np.concatenate([run(name, inputs)["embedding"] for inputs in requests.inputs])


def _balanced(labels: Ints) -> Ints:
    """Return rows with as many of each label as there are, at most an equal share.

    Raises:
        DatasetError: there are none.
    """
    kinds = np.unique(labels)
    if not len(kinds):
        message = "there is no training data to calibrate on: name the folder that holds the corpora"
        raise DatasetError(message)
    share = _CLIPS // len(kinds)
    rows = [some(np.flatnonzero(labels == kind).tolist(), share, _SEED) for kind in kinds]
    return np.array([row for each in rows for row in each], np.int64)
