"""The one dialog of a conversation, whatever number of sessions speak in it: their threads share it."""

import threading
from collections.abc import Iterable, Mapping

from stream.dialog.dialog import Dialog, DialogUtterance, Floats, Reach, Reading, Respoken
from stream.dialog.revisions import Revisions
from stream.dialog.speakers import SpeakerBaselines
from wire.events import Probabilities, UtteranceKey


class SharedDialog:
    """The utterances so far, what was told of them, and how their speakers sound; any thread may ask and add.

    Args:
        window: utterances that are remembered.

    Attributes:
        speakers: the baselines of those who speak in it.
    """

    def __init__(self, window: int) -> None:
        self.speakers = SpeakerBaselines()
        self._lock = threading.Lock()
        self._dialog = Dialog(window)
        self._telling = Revisions()

    @property
    def now(self) -> Dialog:
        """Return the dialog as it stands."""
        with self._lock:
            return self._dialog

    def early(self, key: UtteranceKey) -> int:
        """Return the number of a revision of an utterance that may go on, from 0."""
        with self._lock:
            return self._telling.early(key)

    def keep(self, utterance: DialogUtterance, probabilities: Probabilities, reach: Reach) -> tuple[Dialog, int]:
        """Add an utterance that has ended; return the dialog with it, and the number of the revision that tells it.

        Both at once: whoever finds out anything of the utterance later has a newer dialog, and tells it later.
        """
        with self._lock:
            self._dialog = self._dialog.keeping(utterance, reach)
            return self._dialog, self._telling.kept(utterance.key, self._dialog.version, probabilities)

    def respeak(self, changes: Mapping[UtteranceKey, Respoken]) -> Dialog:
        """Take that others said some utterances; return the dialog with that."""
        with self._lock:
            self._dialog = self._dialog.respoken(changes)
            return self._dialog

    def read(self, key: UtteranceKey, reading: Reading, text: Floats) -> None:
        """Take the text features of an utterance, unless it is forgotten or stands in another context by now."""
        with self._lock:
            self._dialog = self._dialog.reading(key, reading, text)

    def news(
        self, found: Iterable[tuple[UtteranceKey, Probabilities]], version: int, least: float
    ) -> dict[UtteranceKey, int]:
        """Return the revisions to be told of what was found in a version of the dialog; they count as told.

        That is what has changed by more than ``least`` since it was told last, and was told in no newer version.
        """
        with self._lock:
            numbered = {key: self._telling.newer(key, version, now, least) for key, now in found}
        return {key: revision for key, revision in numbered.items() if revision is not None}
