"""What tells a session's speakers apart, made from the settings and what the bundle knows."""

from collections.abc import Callable
from typing import Final

from models.runtime.runtime import Runtime
from models.runtime.schedule import Priority
from stream.media import Samples
from stream.settings import SpeakersSettings
from stream.speakers.clustering import ClusteringRules
from stream.speakers.diarizer import Diarizer
from stream.speakers.enrolment import EnrolmentError, enrolled_voice
from stream.speakers.names import SpeakerNames
from stream.speakers.tracker import Embedding, SpeakerTracker
from stream.speakers.who import OneSpeaker, SpeakersByVoice, Who
from stream.speakers.windows import STEP_MS

_REMEMBERED: Final = 400  # windows of speech, 80 s of it


def telling_apart(
    runtime: Runtime,
    settings: SpeakersSettings,
    participant: str,
    failed: Callable[[Exception], None],
    counted: Callable[[int], None],
    *,
    session: str,
) -> Who:
    """Return what tells who speaks; nobody is told apart where that is not wanted, or the bundle does not know how.

    Args:
        runtime: has the speaker encoder, where there is one.
        settings: when voices are one person's.
        participant: whose microphone it is.
        failed: told why a stretch of speech could not be heard for whose voice it is.
        counted: told how many speakers there are, whenever there is one more.
        session: whose requests these are, for the runtime.

    Raises:
        EnrolmentError: somebody's voice can't be learned from the file that is given for it.
    """
    if not (settings.tell_apart and runtime.tells_speakers):
        return OneSpeaker(participant)

    def embed(samples: Samples, priority: Priority) -> Embedding:
        return runtime.speaker(samples[None], session=session, priority=priority)

    if len(settings.enrolled) > settings.most:
        message = f"{len(settings.enrolled)} people are enrolled, and speakers.most allows {settings.most}: raise it"
        raise EnrolmentError(message)
    rules = ClusteringRules(settings.alike, settings.alike_narrow, settings.evidence_ms / 1000, settings.most)
    diarizer = Diarizer(rules, settings.reluctance, _REMEMBERED)
    known = {
        diarizer.enrol(enrolled_voice(path, runtime, session), STEP_MS / 1000): name
        for name, path in settings.enrolled.items()
    }
    return SpeakersByVoice(SpeakerTracker(embed, diarizer, failed), SpeakerNames(participant, known), counted)
