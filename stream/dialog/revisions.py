"""What has been told of each utterance, and how what is told next is numbered: pure, and bounded.

Several threads name the emotions of a conversation at once, each in the dialog as it was when it began. What a thread
has found in an older dialog than what was told already is not told: so the highest revision of an utterance rests on
the newest dialog, whichever thread was the slowest.
"""

from dataclasses import dataclass
from typing import Final

from wire.events import Probabilities, UtteranceKey

_REMEMBERED: Final = 1_024  # utterances, far more than any window holds


@dataclass(frozen=True, slots=True)
class _Told:
    """How often an utterance was told, and once it was kept, what it was found to be in which version of the dialog."""

    revisions: int = 0
    version: int | None = None
    probabilities: Probabilities | None = None


class Revisions:
    """The revisions of the utterances of a conversation."""

    def __init__(self) -> None:
        self._told: dict[UtteranceKey, _Told] = {}

    def early(self, key: UtteranceKey) -> int:
        """Return the number of a revision that may be taken back, from 0."""
        told = self._told.get(key, _Told())
        return self._note(key, told.version, told.probabilities)

    def kept(self, key: UtteranceKey, version: int, probabilities: Probabilities) -> int:
        """Return the number of the revision that tells an utterance that was just kept, in this version."""
        return self._note(key, version, probabilities)

    def newer(self, key: UtteranceKey, version: int, probabilities: Probabilities, least: float) -> int | None:
        """Return the number of the revision that tells what an utterance is in this version; None: it is not told.

        Nor is it where a newer version has been told, or where no probability has moved by more than ``least`` since
        it was told last.
        """
        told = self._told.get(key, _Told())
        if told.version is None or told.probabilities is None or told.version > version:
            return None
        if _moved(told.probabilities, probabilities) <= least:
            self._told[key] = _Told(told.revisions, version, told.probabilities)
            return None
        return self._note(key, version, probabilities)

    def _note(self, key: UtteranceKey, version: int | None, probabilities: Probabilities | None) -> int:
        revision = self._told.pop(key, _Told()).revisions
        self._told[key] = _Told(revision + 1, version, probabilities)  # last: those told last are forgotten last
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return revision


def _moved(before: Probabilities, now: Probabilities) -> float:
    return max(abs(now[label] - before[label]) for label in now)
