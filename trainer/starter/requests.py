"""What a bundle's networks are asked of the starter's corpora, one utterance, clip, face or dialog at a time.

To calibrate quantisation on training data, and to compare engines on dev data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from models.bundle import Bundle
from models.dialog_window import FusionConfig
from models.media.face_image import face_input
from models.media.spectrogram import sound_input
from models.runtime.engine import INPUT_NAMES, Array
from models.text_input import tokenize
from trainer.data.conversation import Dialog
from trainer.data.faces import FaceSet
from trainer.dialogs.drawn import paired_example
from trainer.dialogs.feature_bank import FeatureBank
from trainer.dialogs.features import DialogFeatures, collate
from trainer.dialogs.pairing import PairingSettings, pair_dialog
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.audio import Sounds
from trainer.stages.text import examples

Item = TypeVar("Item")

_ALL_THREE: Final = PairingSettings(expressive_share=0.0, patterns=((("text", "audio", "face"), 1.0),))


@dataclass(frozen=True, eq=False)
class Requests:
    """Inputs as an engine takes them, and the labels ``(rows,)`` of all that comes out."""

    inputs: list[dict[str, Array]]
    labels: Ints


@dataclass(frozen=True, eq=False)
class LabelledEmbeddings:
    """Embeddings ``(n, dim)`` of clips or faces, their labels ``(n,)``, and the corpora they are of."""

    embeddings: Floats
    labels: Ints
    corpora: Sequence[str]

    def bank(self) -> FeatureBank:
        """Return them by label.

        Raises:
            ValueError: a label has none.
        """
        return FeatureBank.of(self.embeddings[:, None], self.labels, self.corpora)


def text_requests(bundle: Bundle, dialogs: Sequence[Dialog]) -> Requests:
    """Return every utterance of the dialogs, in order, in its context."""
    part = bundle.config.text
    rows = examples(dialogs, part.context, bundle.tokenizer.separator)
    inputs: list[dict[str, Array]] = []
    for row in rows:
        tokens = tokenize(bundle.tokenizer, [row.pair], part.max_tokens)
        inputs.append({name: getattr(tokens, name) for name in INPUT_NAMES["text"]})
    return Requests(inputs, np.array([row.label for row in rows], np.int64))


def voice_requests(bundle: Bundle, sounds: Sounds, rows: Ints) -> Requests:
    """Return some of the clips, as long as each is."""
    kind = bundle.config.audio.kind
    inputs: list[dict[str, Array]] = [{"images": sound_input(kind, [sounds.samples[row]])} for row in rows]
    return Requests(inputs, sounds.labels[rows])


def face_requests(bundle: Bundle, faces: FaceSet, rows: Ints) -> Requests:
    """Return some of the faces."""
    size = bundle.config.face.size
    inputs: list[dict[str, Array]] = [{"images": face_input(faces.pixels[row : row + 1], size)} for row in rows]
    return Requests(inputs, faces.labels[rows])


def dialog_requests(
    dialogs: Sequence[Dialog],
    texts: Floats,
    voices: LabelledEmbeddings,
    faces: LabelledEmbeddings,
    config: FusionConfig,
    seed: int,
) -> Requests:
    """Return the dialogs, each utterance with a voice and a face drawn by its label (:mod:`trainer.dialogs.pairing`).

    Args:
        dialogs: of the text corpus.
        texts: the embeddings ``(utterances, dim)`` of all their utterances, in order.
        voices: what is drawn from.
        faces: the same.
        config: the fusion's.
        seed: of the draws.

    Raises:
        ValueError: a label has no voice or no face.
    """
    generator, heard, seen = np.random.default_rng(seed), voices.bank(), faces.bank()
    inputs: list[dict[str, Array]] = []
    labels: list[int] = []
    for dialog in word_dialogs(dialogs, texts):
        pairs = pair_dialog(dialog.labels, _ALL_THREE, generator)
        example = paired_example(dialog, pairs, heard, seen, generator)
        batch, _ = collate([example], config)
        arrays = (tensor.numpy() for tensor in batch.inputs())
        inputs.append(dict(zip(INPUT_NAMES["fusion"], arrays, strict=True)))
        labels += example.labels
    return Requests(inputs, np.array(labels, np.int64))


def word_dialogs(dialogs: Sequence[Dialog], texts: Floats) -> list[DialogFeatures]:
    """Return dialogs of words alone from the embeddings ``(utterances, dim)`` of all their utterances, in order."""
    rows = iter(texts)
    return [
        DialogFeatures(
            text=[next(rows) for _ in dialog],
            audio=[None] * len(dialog),
            face=[None] * len(dialog),
            scene=[None] * len(dialog),
            labels=[utterance.label for utterance in dialog],
            speakers=[utterance.turn.speaker for utterance in dialog],
        )
        for dialog in dialogs
    ]


def some(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """Return at most so many of the items, drawn by the seed."""
    order = np.random.default_rng(seed).permutation(len(items))[:count]
    return [items[row] for row in order]
