"""One session in a thread of its own, from its source to its channel."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Final

from models.threads import watched_thread
from serving.rooms.broadcast import Channel
from stream.client_settings import wanted
from stream.pipeline import Drivable, Readable, SessionOutcome, Tap, run_session
from wire import events
from wire.errors import ErrorCode
from wire.events import Event, Totals
from wire.settings import ClientSettings

log = logging.getLogger("m2fnet.session")

Emit = Callable[[Event], None]

BROKEN: Final = "something broke in this session, so it has ended; the server's log says what. Start another one"


class SessionWorker:
    """Reads a source to its end; ``done`` then holds what came of it, also when the session breaks."""

    def __init__(
        self,
        source: Readable,
        channel: Channel,
        make: Callable[[Emit], Drivable],
        client: ClientSettings,
        taps: Sequence[Tap] = (),
    ) -> None:
        self.done: Future[SessionOutcome] = Future()
        self.source = source
        self.session = channel.id
        self._channel = channel
        self._make = make
        self._client = client
        self._taps = taps
        self._stop = threading.Event()
        self._session: Drivable | None = None
        self._thread = watched_thread("session", self._run, self._broke, name=f"session-{channel.number}")

    @property
    def totals(self) -> Totals:
        """What the session did so far, without what its source threw away."""
        return self._session.totals if self._session is not None else Totals()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the session to finish with what it has."""
        self._stop.set()

    def abandon(self) -> None:
        """Stop waiting for a session that does not finish; its totals are lost."""
        if self._settle(SessionOutcome(totals=Totals(), reason="abandoned")):
            extra = {"event": "session.abandoned", "session": self._channel.number}
            log.warning("session %d did not finish in time", self._channel.number, extra=extra)

    def _run(self) -> None:
        try:
            outcome = self._outcome()
        except Exception:  # whatever broke ends this session and no other
            number = self._channel.number
            log.exception("session %d broke", number, extra={"event": "session.broken", "session": number})
            self._emit(events.Error(code=ErrorCode.INTERNAL, message=BROKEN, fatal=True))
            outcome = SessionOutcome(self.totals, reason="failed")
        self._settle(outcome)

    def _broke(self, _: BaseException) -> None:
        try:
            self._emit(events.Error(code=ErrorCode.INTERNAL, message=BROKEN, fatal=True))
        finally:
            self._settle(SessionOutcome(self.totals, reason="failed"))

    def _outcome(self) -> SessionOutcome:
        try:
            self._session = self._make(self._emit)
        except Exception:
            self.source.stop()
            raise
        return run_session(self.source, self._session, self._stop, self._taps)

    def _settle(self, outcome: SessionOutcome) -> bool:
        try:
            self.done.set_result(outcome)
        except InvalidStateError:
            return False
        return True

    def _emit(self, event: Event) -> None:
        if self.done.done():  # given up: its session is closed for everyone else
            return
        if wanted(event, self._client):
            self._channel.publish(event)
