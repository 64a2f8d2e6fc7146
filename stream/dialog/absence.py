"""What an utterance or a frame lacks because something failed: said to whoever watches, and logged with the reason.

Nothing that failed ends a session: what it would have given is absent.
"""

import logging
from collections.abc import Callable
from typing import Final, Literal

from wire import events

log = logging.getLogger("m2fnet.session")

AbsenceCode = Literal[
    "transcript.failed", "text.failed", "voice.failed", "speaker.failed", "faces.failed", "emotion.failed"
]

# In plain words and always the same: what an error says is for the log, and a replay tells what was told then.
_TOLD: Final[dict[AbsenceCode, str]] = {
    "transcript.failed": "{which} has no transcript, because speech recognition failed; the rest of it counts",
    "text.failed": "the words of {which} could not be read for their emotion; the rest of it counts",
    "voice.failed": "the voice of {which} could not be heard for its emotion; the rest of it counts",
    "speaker.failed": "a stretch of speech could not be heard for whose voice it is; the speaker is told by the rest",
    "faces.failed": "a frame could not be analyzed; its faces are absent",
    "emotion.failed": "the emotion of {which} could not be found, because what computes it failed",
}


class Absences:
    """Tells of what failed, and logs the first of each kind with its traceback, the others for whoever looks closely.

    Args:
        tell: gets the warnings, in the thread that noticed.
    """

    def __init__(self, tell: Callable[[events.Warning], None]) -> None:
        self._tell = tell
        self._logged: set[AbsenceCode] = set()

    def note(self, code: AbsenceCode, error: Exception, utterance: int | None = None) -> None:
        """Say that something is absent, of an utterance by its number, or of one that is not the session's own."""
        which = "an earlier utterance" if utterance is None else f"utterance {utterance}"
        level = logging.DEBUG if code in self._logged else logging.WARNING
        self._logged.add(code)
        log.log(level, "%s (%s)", code, type(error).__name__, exc_info=error, extra={"event": "absent", "code": code})
        self._tell(events.Warning(code=code, message=_TOLD[code].format(which=which)))
