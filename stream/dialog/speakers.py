"""How the speakers of a conversation usually sound: learned while it lasts, and kept nowhere else."""

import threading
from typing import Final

import numpy as np

from models.runtime.runtime import Floats
from models.speaker_baseline import BaselineReference, SpeakerBaseline

SPEAKERS: Final = 64
"""Of one conversation; of more, those that have been silent for the longest are forgotten."""

Speaker = tuple[str, str]
"""What tells a person from the others of a conversation, and the name it speaks under: under another it begins anew."""


class SpeakerBaselines:
    """The baselines of a conversation's speakers; any thread may ask and add.

    Args:
        most: speakers that are remembered.
    """

    def __init__(self, most: int = SPEAKERS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: dict[Speaker, SpeakerBaseline] = {}

    def __len__(self) -> int:
        """Return how many speakers are remembered."""
        return len(self._known)

    def of(self, speaker: Speaker, reference: BaselineReference) -> SpeakerBaseline:
        """Return what a speaker has said so far."""
        with self._lock:
            return self._known.get(speaker) or SpeakerBaseline.unheard(reference)

    def unlearn(self, speaker: Speaker, statistics: Floats, probabilities: Floats) -> None:
        """Take back an utterance that was somebody else's."""
        with self._lock:
            before = self._known.get(speaker)
            if before is not None:
                self._known[speaker] = before.less(statistics, probabilities)

    def learn(self, speaker: Speaker, reference: BaselineReference, statistics: Floats, probabilities: Floats) -> None:
        """Add an utterance of a speaker; one of which no finite numbers came says nothing of anybody."""
        if not (np.isfinite(statistics).all() and np.isfinite(probabilities).all()):
            return
        with self._lock:
            before = self._known.pop(speaker, None) or SpeakerBaseline.unheard(reference)
            self._known[speaker] = before.update(statistics, probabilities)
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]
