"""A source whose frames are seen the moment they come, whatever the session that reads it is busy with."""

from collections.abc import Callable
from typing import ClassVar, Final

from models.threads import watched_thread
from stream.media import DropCounts, Media
from stream.pipeline import Readable
from stream.sources.base import QueuedSource

_STOP_SECONDS: Final = 2.0


class RelayedSource(QueuedSource):
    """Takes a source's media in a thread of its own, shows each item to ``tap`` there, and keeps it for the reader.

    A reader that falls behind loses the oldest, which is counted, as with a live source.
    """

    kind: ClassVar[str] = "relay"

    def __init__(self, source: Readable, tap: Callable[[Media], None]) -> None:
        super().__init__(source.name, live=True)
        self._source, self._tap = source, tap
        self._thread = watched_thread("relay", self._work, self._broke)

    @property
    def dropped(self) -> DropCounts:
        """Return what the source threw away, and what nobody read in time here."""
        return self._source.dropped + super().dropped

    def start(self) -> None:
        """Start the source."""
        self._source.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop the source; what was taken can still be read."""
        self._source.stop()
        self._thread.join(_STOP_SECONDS)

    def _work(self) -> None:
        while (media := self._source.read()) is not None:
            self._tap(media)
            self._queue.put(media)

    def _broke(self, _: BaseException) -> None:
        message = f"{self.name} can't be shown any more; --verbose shows where"
        self._queue.put(self._status("failed", "error", message))
