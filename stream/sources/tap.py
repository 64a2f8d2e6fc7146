"""A source whose media somebody else sees too, besides the session that reads it."""

from collections.abc import Callable

from stream.media import DropCounts, Media
from stream.pipeline import Readable


class TappedSource:
    """Passes a source's media on, and shows each item to ``tap`` first, in the reader's thread."""

    def __init__(self, source: Readable, tap: Callable[[Media], None]) -> None:
        self._source = source
        self._tap = tap

    @property
    def name(self) -> str:
        """Return the source's name."""
        return self._source.name

    @property
    def dropped(self) -> DropCounts:
        """Return what the source threw away."""
        return self._source.dropped

    def start(self) -> None:
        """Start the source."""
        self._source.start()

    def read(self, timeout: float | None = None) -> Media | None:
        """Return what the source yields, after showing it."""
        media = self._source.read(timeout)
        if media is not None:
            self._tap(media)
        return media

    def stop(self) -> None:
        """Stop the source."""
        self._source.stop()
