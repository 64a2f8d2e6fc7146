"""Counting what goes wrong again and again, and when to say so."""

from collections.abc import Iterator

from stream.media import SourceStatus
from stream.sources.timeline import Direction, Timeline


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


class StrayTimes:
    """Counts the time stamps of a timeline that were not believed, and says so; ``code`` begins the status codes."""

    def __init__(self, timeline: Timeline, code: str) -> None:
        goes_on = "without the media, which goes on where it was"
        self._timeline = timeline
        self._tallies: dict[Direction, Tally] = {
            "ahead": Tally(f"{code}.time_forward", f"{{count}} time(s) the time stamps jumped ahead {goes_on}"),
            "back": Tally(f"{code}.time_backward", f"{{count}} time(s) the time stamps jumped back {goes_on}"),
        }

    def told(self) -> Iterator[SourceStatus]:
        """Yield what is to be said of those that are new."""
        for direction in self._timeline.strays():
            if status := self._tallies[direction].add():
                yield status

    def rest(self) -> Iterator[SourceStatus]:
        """Yield the final counts, unless they were said already."""
        for tally in self._tallies.values():
            if status := tally.rest():
                yield status
