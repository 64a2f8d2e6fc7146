"""What a speech recogniser hears in place of the gold text: how good the text is live."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from models.text_input import Turn
from trainer.data.conversation import Conversations, Skipped
from trainer.features.blocks import Reader, read_media
from trainer.features.extract import FeatureSettings, split_folder
from trainer.features.media import Media
from trainer.fit.cache import Arrays
from trainer.fit.outputs import Floats

Transcribe = Callable[[Floats], str]
"""From sound ``(n,)`` at 16 kHz to the words recognised in it, none for silence."""

_WORDS: Final = "words"


def transcripts(
    conversations: Conversations,
    transcribe: Transcribe,
    recogniser: str,
    cache: Path,
    settings: FeatureSettings = FeatureSettings(),
) -> Conversations:
    """Return the conversations with the words recognised in each utterance's sound as its text.

    An utterance without usable sound, or in which nothing was recognised, has no words; the former are added to
    ``skipped`` with the reason.

    Args:
        conversations: with the clips of their utterances.
        transcribe: called in this thread.
        recogniser: names the model and its settings: the words of another are not taken from the cache.
        cache: a folder; what an interrupted run had finished in it is not made again.
        settings: ``max_seconds`` and ``workers`` count.

    Raises:
        FileError: the disk is full or the cache can't be written.
    """

    def read(media: Media) -> Arrays | None:
        if media.sound is None:
            return None
        words = " ".join(transcribe(media.sound).split())
        return {_WORDS: np.frombuffer(words.encode(), np.uint8)}

    reader = Reader(_WORDS, "sound", recogniser, read)
    folder = split_folder(cache, conversations)
    [heard] = read_media(conversations.utterances, [reader], folder, settings.limits, settings.workers)
    words = iter("" if value is None else value[_WORDS].tobytes().decode() for value in heard.values)
    dialogs = tuple(
        tuple(replace(utterance, turn=Turn(utterance.turn.speaker, next(words))) for utterance in dialog)
        for dialog in conversations.dialogs
    )
    skipped = tuple(Skipped(fault.name, fault.why) for fault in heard.faults)
    return replace(conversations, dialogs=dialogs, skipped=(*conversations.skipped, *skipped))
