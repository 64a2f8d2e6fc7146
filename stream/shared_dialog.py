"""The one dialog of a conversation, whatever number of sessions speak in it: their threads share it."""

import threading
from collections.abc import Iterable
from typing import Final

from stream.dialog import Dialog, DialogUtterance
from stream.events import Probabilities, UtteranceKey

_COUNTED: Final = 1_024  # utterances whose revisions are remembered, far more than any window holds


class SharedDialog:
    """The utterances so far and what was told of them; any thread may ask and add.

    Args:
        window: utterances that are remembered.
    """

    def __init__(self, window: int) -> None:
        self._lock = threading.Lock()
        self._dialog = Dialog(window)
        self._told: dict[UtteranceKey, Probabilities] = {}
        self._revisions: dict[UtteranceKey, int] = {}

    @property
    def now(self) -> Dialog:
        """Return the dialog as it stands."""
        with self._lock:
            return self._dialog

    def keep(self, utterance: DialogUtterance, probabilities: Probabilities) -> None:
        """Add an utterance that has ended, with what was told of it."""
        with self._lock:
            self._dialog = self._dialog.keeping(utterance)
            self._told[utterance.key] = probabilities
            self._told = {key: told for key, told in self._told.items() if self._dialog.holds(key)}

    def read_again(self, utterance: DialogUtterance) -> None:
        """Take the text features of an utterance that was read in a new context, unless it is remembered no more."""
        with self._lock:
            if self._dialog.holds(utterance.key):
                self._dialog = self._dialog.keeping(utterance)

    def news(
        self, found: Iterable[tuple[DialogUtterance, Probabilities]], least: float
    ) -> list[tuple[DialogUtterance, Probabilities]]:
        """Return, and note as told, what has changed by more than ``least`` since it was told last."""
        with self._lock:
            changed = [(said, now) for said, now in found if self._moved(said.key, now) > least]
            self._told |= {said.key: now for said, now in changed}
            return changed

    def next_revision(self, key: UtteranceKey) -> int:
        """Return the number of the next revision of an utterance, from 0."""
        with self._lock:
            revision = self._revisions.pop(key, 0)
            self._revisions[key] = revision + 1  # so that those told last are forgotten last
            if len(self._revisions) > _COUNTED:
                del self._revisions[next(iter(self._revisions))]
            return revision

    def _moved(self, key: UtteranceKey, now: Probabilities) -> float:
        told = self._told.get(key)
        return 0.0 if told is None else max(abs(now[label] - told[label]) for label in now)
