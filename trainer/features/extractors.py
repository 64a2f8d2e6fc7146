"""The networks that features are extracted with: a bundle's, or branches trained before there is a bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from models.bundle import Bundle
from models.media.spectrogram import sound_input
from models.networks.extractor import EmotionExtractor
from models.text_input import MAX_TOKENS, ContextFormat, Tokenizer
from trainer.fit.outputs import Floats
from trainer.stages.audio import LOG_MEL

AudioInput = Callable[[Sequence[Floats]], Floats]
"""From sounds ``(samples,)`` at 16 kHz to the audio network's input."""


@dataclass(frozen=True, eq=False)
class Extractors:
    """Branches; None for one that there is not, whose modality is then absent.

    Every network is called as ``network(input) -> (embedding, logits)``, on the device its weights are on.

    Attributes:
        text: a :class:`models.networks.text.TextEncoder`, which needs a tokenizer.
        tokenizer: the text encoder's.
        context: how much of the dialog the text encoder reads.
        max_tokens: the longest it reads.
        audio: takes what ``audio_input`` makes.
        audio_input: is part of what ``audio`` was trained on; the cache tells another by the weights.
        face: takes what :func:`models.media.face_image.face_input` makes.
        scene: takes what :func:`models.media.scene_image.scene_input` makes.
    """

    text: nn.Module | None = None
    tokenizer: Tokenizer | None = None
    context: ContextFormat = ContextFormat()
    max_tokens: int = MAX_TOKENS
    audio: nn.Module | None = None
    audio_input: AudioInput = LOG_MEL.input
    face: EmotionExtractor | None = None
    scene: nn.Module | None = None

    @staticmethod
    def of(bundle: Bundle) -> "Extractors":
        """Return a bundle's branches."""
        part = bundle.config.text
        return Extractors(
            text=bundle.text,
            tokenizer=bundle.tokenizer,
            context=part.context,
            max_tokens=part.max_tokens,
            audio=bundle.audio,
            audio_input=partial(sound_input, bundle.config.audio.kind),
            face=bundle.face,
            scene=bundle.scene,
        )
