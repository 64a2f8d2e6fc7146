"""What callers have, made what the networks take: in the callers' threads, so that the device's only computes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.dialog_window import FusionConfig, Window
from models.media.face_image import FACE_SIZE, face_input
from models.media.scene_image import scene_input, shrink_scene
from models.media.spectrogram import SAMPLE_RATE, WINDOW, sound_input, speaker_mel
from models.runtime.engine import Array
from models.speaker_baseline import BaselineReference, SpeakerBaseline
from models.stored_bundle import AnyBundle
from models.text_input import Turn, tokenize, with_context

MAX_SAMPLES: Final = 15 * SAMPLE_RATE
MAX_WINDOW: Final = 4 * SAMPLE_RATE  # in which somebody speaks: it has learned on less than half of it
WINDOW_STEP: Final = 16  # windows are padded to a multiple of it, so that engines see few shapes

Floats = npt.NDArray[np.float32]


class Preparation:
    """Prepares the inputs of one bundle's networks; any thread may ask."""

    def __init__(self, bundle: AnyBundle) -> None:
        self._config, self._tokenizer = bundle.config, bundle.tokenizer

    def text(self, turns: Sequence[Turn], index: int) -> dict[str, Array]:
        """Return the tokens ``(1, tokens)`` of the utterance at ``index`` in the context of the turns around it."""
        part = self._config.text
        pair = with_context(turns, index, part.context, self._tokenizer.separator)
        tokens = tokenize(self._tokenizer, [pair], part.max_tokens)
        return {
            "input_ids": tokens.input_ids,
            "attention_mask": tokens.attention_mask,
            "utterance_mask": tokens.utterance_mask,
        }

    def audio(self, samples: Floats) -> dict[str, Array]:
        """Return what the voice branch hears of ``(n,)`` samples: of the last 15 s."""
        heard = np.asarray(samples[-MAX_SAMPLES:], np.float32)
        return {"images": sound_input(self._config.audio.kind, [heard])}

    @staticmethod
    def voice(statistics: Floats, speaker: SpeakerBaseline, reference: BaselineReference) -> dict[str, Array]:
        """Return what the voice's head takes: the statistics ``(dim,)`` of an utterance, and its speaker's own."""
        count = np.array([[speaker.count]], np.float32)
        return {"statistics": statistics[None], "offset": speaker.offset(reference)[None], "count": count}

    def faces(self, crops: npt.NDArray[np.uint8]) -> dict[str, Array]:
        """Return ``(n, 48, 48)`` grey faces as the face branch sees them, ``(n, 3, size, size)``."""
        return {"images": face_input(crops, self._config.face.size)}

    @staticmethod
    def scene(image: npt.NDArray[np.uint8]) -> dict[str, Array]:
        """Return an ``(height, width, 3)`` RGB image as the scene branch sees it, ``(1, 3, size, size)``."""
        return {"images": scene_input(shrink_scene(image)[None])}

    @staticmethod
    def speaker(windows: Floats) -> dict[str, Array]:
        """Return ``(windows, samples)`` as the speaker encoder hears them, ``(windows, frames, 40)``."""
        return {"mel": speaker_mel(np.asarray(windows, np.float32))}


def require_sound(samples: Floats) -> None:
    """Do nothing if it is sound.

    Raises:
        ValueError: it is not one channel of finite numbers.
    """
    if samples.ndim != 1 or not np.isfinite(samples).all():
        message = f"sound must be one channel of finite samples, not of shape {samples.shape}"
        raise ValueError(message)


def require_windows(windows: Floats) -> None:
    """Do nothing if somebody's voice can be told by them.

    Raises:
        ValueError: they are not ``(windows, samples)`` of finite numbers, 25 ms to 4 s.
    """
    fits = windows.ndim == 2 and WINDOW <= windows.shape[1] <= MAX_WINDOW  # noqa: PLR2004 - (windows, samples)
    if not fits or not np.isfinite(windows).all():
        message = f"windows must be (windows, {WINDOW} to {MAX_WINDOW} finite samples), not of shape {windows.shape}"
        raise ValueError(message)


def require_faces(crops: npt.NDArray[np.uint8]) -> None:
    """Do nothing if these are faces.

    Raises:
        ValueError: they are not ``(n, 48, 48)``.
    """
    if crops.ndim != 3 or crops.shape[1:] != (FACE_SIZE, FACE_SIZE):  # noqa: PLR2004 - (n, height, width)
        message = f"faces must be (n, {FACE_SIZE}, {FACE_SIZE}), not {crops.shape}"
        raise ValueError(message)


def fusion_inputs(window: Window, config: FusionConfig) -> dict[str, Array]:
    """Return the fusion network's inputs for one window, ``(1, padded utterances, …)``.

    Raises:
        ValueError: the window is empty, its lists differ in length, or an embedding in width.
    """
    modalities = {"text": window.text, "audio": window.audio, "face": window.face, "scene": window.scene}
    lengths = {len(embeddings) for embeddings in modalities.values()}
    if len(lengths) != 1 or 0 in lengths:
        message = f"a window needs four equally long lists of at least one utterance, not {sorted(lengths)}"
        raise ValueError(message)
    count = lengths.pop()
    padded = -(-count // WINDOW_STEP) * WINDOW_STEP
    inputs: dict[str, Array] = {"valid": np.arange(padded)[None] < count}
    for name, embeddings in modalities.items():
        features = np.zeros((1, padded, getattr(config, f"{name}_dim")), np.float32)
        present = np.zeros((1, padded), np.bool_)
        for index, embedding in enumerate(embeddings):
            if embedding is not None:
                _check_width(name, embedding, features.shape[-1])
                features[0, index], present[0, index] = embedding, True
        inputs |= {name: features, f"{name}_present": present}
    return inputs


def _check_width(name: str, embedding: Floats, width: int) -> None:
    if embedding.shape != (width,):
        message = f"the {name} embeddings of this bundle are ({width},), not {embedding.shape}"
        raise ValueError(message)
