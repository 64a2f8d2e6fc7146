"""What the three branches of a starter bundle say of the dev data, and the dialogs made from that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from transformers import PreTrainedTokenizerBase

from models.bundle import Bundle, BundleError
from models.networks.extractor import EmotionExtractor
from models.networks.speech_encoder import VoiceExtractor
from models.networks.text import ContextFormat, TextEncoder, Turn, with_context
from trainer.data.conversation import Dialog
from trainer.dialogs.features import DialogFeatures
from trainer.features.extractors import AudioInput
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.audio import LOG_MEL, speech_outputs
from trainer.stages.face import face_outputs
from trainer.stages.text import TextExample, examples, text_outputs
from trainer.starter.data import StarterData
from trainer.starter.feature_bank import FeatureBank
from trainer.starter.fusion import TextDialog, with_face

SPEAKER = "Speaker"
"""The name live sessions give who has none."""


@dataclass(frozen=True, eq=False)
class Branches:
    """The trained branches, from their training stages or from a bundle."""

    text: TextEncoder
    tokenizer: PreTrainedTokenizerBase
    context: ContextFormat
    audio: EmotionExtractor | VoiceExtractor
    audio_input: AudioInput
    face: EmotionExtractor

    @staticmethod
    def of(bundle: Bundle) -> "Branches":
        """Return a bundle's branches.

        Raises:
            BundleError: it lacks the voice or the face.
        """
        if bundle.audio is None or bundle.face is None:
            message = f"the bundle {bundle.config.name} lacks a voice or a face branch, which are judged here"
            raise BundleError(message)
        context = bundle.config.text.context
        return Branches(bundle.text, bundle.tokenizer, context, bundle.audio, bundle.audio_input, bundle.face)

    def read(self, dialogs: Sequence[Dialog], progress: str | None = None) -> BranchOutput:
        """Return the text branch's output for every utterance of the dialogs, in order."""
        rows = examples(dialogs, self.context, str(self.tokenizer.sep_token))
        return text_outputs(self.text, self.tokenizer, rows, progress=progress)

    def read_alone(self, sentences: Sequence[str]) -> BranchOutput:
        """Return the text branch's output for sentences said outside of any dialog."""
        separator = str(self.tokenizer.sep_token)
        pairs = (with_context([Turn(SPEAKER, said)], 0, self.context, separator) for said in sentences)
        return text_outputs(self.text, self.tokenizer, [TextExample(pair, 0) for pair in pairs])


class DevFeatures:
    """The dev features of one set of branches, each computed when first asked for."""

    def __init__(self, data: StarterData, branches: Branches, seed: int = 0) -> None:
        self.data, self.branches, self.seed = data, branches, seed

    @cached_property
    def text(self) -> BranchOutput:
        """Return what the text branch says of MELD dev."""
        return self.branches.read(self.data.meld_dev)

    @cached_property
    def audio(self) -> BranchOutput:
        """Return what the audio branch says of the held-out speakers."""
        hearing = replace(LOG_MEL, input=self.branches.audio_input)
        return speech_outputs(self.branches.audio, self.data.sounds_dev, hearing)

    @cached_property
    def face(self) -> BranchOutput:
        """Return what the face branch says of FER2013 dev."""
        return face_outputs(self.branches.face, self.data.faces_dev)

    @cached_property
    def dialogs(self) -> list[TextDialog]:
        """Return MELD's dev dialogs."""
        return text_dialogs(self.data.meld_dev, self.text.embeddings)

    def spoken(self, words: Sequence[str]) -> list[DialogFeatures]:
        """Return each held-out RAVDESS clip as a dialog of one utterance, with ``words`` said and no face.

        The text is absent where no words were recognised.
        """
        rows = self.data.ravdess_rows
        texts = self.branches.read_alone(words).embeddings
        return [
            DialogFeatures([text if said else None], [voice], [None], [None], [int(label)])
            for text, said, voice, label in zip(
                texts, words, self.audio.embeddings[rows], self.data.sounds_dev.labels[rows], strict=True
            )
        ]

    def seen(self, spoken: Sequence[DialogFeatures]) -> list[DialogFeatures]:
        """Return the spoken examples, each with a FER2013 dev face of its label."""
        labels = self.data.faces_dev.labels
        bank = FeatureBank.of(self.face.embeddings[:, None], labels, ["fer2013"] * len(labels))
        generator = np.random.default_rng(self.seed)
        return [with_face(example, bank, generator) for example in spoken]


def text_dialogs(dialogs: Sequence[Dialog], embeddings: Floats) -> list[TextDialog]:
    """Return the utterances' embeddings and labels by dialog."""
    pieces = np.split(embeddings, np.cumsum([len(dialog) for dialog in dialogs])[:-1])
    labels = (np.array([utterance.label for utterance in dialog], np.int64) for dialog in dialogs)
    return [TextDialog(piece, label) for piece, label in zip(pieces, labels, strict=True)]
