"""The voices of a session's utterances, told against their speaker's own baseline."""

from dataclasses import dataclass

from models.runtime.runtime import Branch, Runtime
from models.runtime.schedule import Priority
from models.speaker_baseline import SpeakerBaseline
from stream.dialog.session_context import SessionContext
from stream.dialog.steps import Steps, waited


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
        return waited(self.steps(heard, self.known(speaker)))

    def known(self, speaker: str) -> SpeakerBaseline | None:
        """Return a speaker's baseline as it is now, None where there are none."""
        return None if self._reference is None else self._speakers.of((self._person, speaker), self._reference)

    def steps(self, heard: Branch, known: SpeakerBaseline | None, priority: Priority = "utterance") -> Steps[Voice]:
        """Do as :meth:`told`, with a baseline as it was, and as urgently as is said."""
        if self._reference is None or known is None or not known.count or heard.statistics is None:
            return Voice(heard)
        told = self._runtime.voice(heard.statistics, known, self._reference, session=self._session, priority=priority)
        return Voice((yield told), int(known.count))

    def learn(self, voice: Voice, speaker: str) -> None:
        """Take what was said for part of how its speaker sounds."""
        heard = voice.branch
        if self._reference is not None and heard.statistics is not None:
            who = self._person, speaker
            self._speakers.learn(who, self._reference, heard.statistics, heard.probabilities)

    def unlearn(self, voice: Voice, speaker: str) -> None:
        """Take it back: it was somebody else's."""
        heard = voice.branch
        if self._reference is not None and heard.statistics is not None:
            self._speakers.unlearn((self._person, speaker), heard.statistics, heard.probabilities)
