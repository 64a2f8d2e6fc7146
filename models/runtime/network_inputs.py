"""What the networks take, for what traces, converts or warms up a network."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.bundle_config import BundleConfig
from models.media.scene_image import SCENE_SIZE
from models.media.spectrogram import CHANNELS, MEL_BANDS, SPEAKER_BANDS, WHISPER_BANDS
from models.runtime.engine import INPUT_NAMES, Array, Engine, EngineError, ServedName

_DYNAMIC_AXES: Final[Mapping[ServedName, tuple[int, ...]]] = {
    "text": (0, 1),
    "audio": (0, -1),
    "voice": (0,),
    "face": (0,),
    "scene": (0,),
    "fusion": (0, 1),
    "speaker": (0, 1),
    "pnet": (0, -2, -1),
    "rnet": (0,),
    "onet": (0,),
}
_FACE_PATCHES: Final[Mapping[ServedName, tuple[int, int]]] = {"pnet": (40, 56), "rnet": (24, 24), "onet": (48, 48)}


def examples(name: ServedName, config: BundleConfig) -> tuple[Array, ...]:
    """Return inputs to trace with, in the order of ``INPUT_NAMES``; no dynamic axis is 1, which looks constant."""
    if name == "text":
        ragged = np.tri(2, 5, 1, dtype=np.int64)  # or the tracer would leave the masking out
        return ragged, ragged, ragged
    if name in {"audio", "speaker"}:
        return (_spectrograms(name, config),)
    if name == "voice":
        statistics = _zeros(2, config.audio.baseline)
        return statistics, statistics, np.ones((2, 1), np.float32)
    if name in {"face", "scene"}:
        side = config.face.size if name == "face" else SCENE_SIZE
        return (_zeros(2, CHANNELS, side, side),)
    if name in _FACE_PATCHES:
        return (_zeros(2, CHANNELS, *_FACE_PATCHES[name]),)
    widths = (config.fusion.text_dim, config.fusion.audio_dim, config.fusion.face_dim, config.fusion.scene_dim)
    mask = np.ones((2, 5), np.bool_)
    return *(_zeros(2, 5, width) for width in widths), *[mask] * (len(widths) + 1)


def _spectrograms(name: ServedName, config: BundleConfig) -> npt.NDArray[np.float32]:
    if name == "speaker":
        return _zeros(2, 160, SPEAKER_BANDS)
    return _zeros(2, WHISPER_BANDS, 128) if config.audio.kind == "whisper" else _zeros(2, CHANNELS, MEL_BANDS, 64)


def _zeros(*sizes: int) -> npt.NDArray[np.float32]:
    return np.zeros(sizes, np.float32)


def dynamic_axes(name: ServedName, example: Array) -> tuple[int, ...]:
    """Return the axes of one input whose size may change, ascending: the batch and, of most, a length."""
    return tuple(sorted({axis % example.ndim for axis in _DYNAMIC_AXES[name]}))


def shape(name: ServedName, example: Array) -> list[int]:
    """Return the shape of one input, -1 on its dynamic axes."""
    dynamic = dynamic_axes(name, example)
    return [-1 if axis in dynamic else size for axis, size in enumerate(example.shape)]


def run_once(engine: Engine, networks: Sequence[ServedName], config: BundleConfig) -> None:
    """Run networks on the examples, a single row and both, which some engines compile apart.

    Raises:
        EngineError: an output is not finite.
    """
    for name in networks:
        inputs = dict(zip(INPUT_NAMES[name], examples(name, config), strict=True))
        for rows in (1, 2):
            _check_finite(name, engine, {key: array[:rows] for key, array in inputs.items()})


def _check_finite(name: ServedName, engine: Engine, inputs: Mapping[str, Array]) -> None:
    if not all(np.isfinite(output).all() for output in engine.run(name, inputs).values()):
        info = engine.describe()
        message = (
            f"{info.engine} gives no finite numbers for the {name} network in {info.precision}: "
            "set runtime.precision to float32"
        )
        raise EngineError(message)
