"""The voices of a session's utterances, told against their speaker's own baseline."""

from dataclasses import dataclass

from models.runtime.runtime import Branch, Runtime
from stream.dialog.session_context import SessionContext


@dataclass(frozen=True, eq=False)
class Voice:
    """What the voice of an utterance says, and how many earlier utterances of its speaker it was told against."""

    branch: Branch
    baseline: int = 0


class Voices:
    """Tells voices against what their speaker said before in the conversation, and learns from them.

    A bundle whose voice branch knows nothing of baselines hears everybody as a stranger, as does one that is told to.

    Args:
        context: of the session, which says who speaks and with whom.
        session: whose requests these are, for the runtime.
        enabled: whether there are to be baselines.
    """

    def __init__(self, runtime: Runtime, context: SessionContext, *, session: str, enabled: bool) -> None:
        self._runtime, self._session = runtime, session
        self._person, self._speakers = context.person, context.dialog.speakers
        self._reference = runtime.baseline if enabled else None

    def told(self, heard: Branch, speaker: str) -> Voice:
        """Return a voice against the baseline of whom it belongs to, as a stranger's where nothing is known yet."""
        if self._reference is None or heard.statistics is None:
            return Voice(heard)
        known = self._speakers.of((self._person, speaker), self._reference)
        if not known.count:
            return Voice(heard)
        told = self._runtime.voice(heard.statistics, known, self._reference, session=self._session)
        return Voice(told.result(), int(known.count))

    def learn(self, voice: Voice, speaker: str) -> None:
        """Take what was said for part of how its speaker sounds."""
        branch = voice.branch
        if self._reference is not None and branch.statistics is not None:
            who = self._person, speaker
            self._speakers.learn(who, self._reference, branch.statistics, branch.probabilities)
