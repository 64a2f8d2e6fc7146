"""Counting what goes wrong again and again, and when to say so."""

from stream.media import SourceStatus


class Tally:
    """Counts one kind of trouble; speaks at the 1st, 10th, 100th … time so that statuses stay few.

    ``message`` holds ``{count}``.
    """

    def __init__(self, code: str, message: str) -> None:
        self.count = 0
        self._said = 0
        self._code = code
        self._message = message

    def add(self) -> SourceStatus | None:
        """Count one more and return the warning if it is time for one."""
        self.count += 1
        return self._say() if self.count >= 10 * self._said else None

    def rest(self) -> SourceStatus | None:
        """Return the final count unless the last warning had it already."""
        return self._say() if self.count > self._said else None

    def _say(self) -> SourceStatus:
        self._said = self.count
        return SourceStatus("warning", self._code, self._message.format(count=self.count))
