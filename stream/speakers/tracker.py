"""Asks whose voice is heard while somebody speaks, and has the answers told apart.

What has been asked for is waited for at moments of media time, never taken as it comes: the same sound gives the same
speakers, replayed too.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.runtime.schedule import Priority
from stream.media import Samples
from stream.speakers.diarizer import Diarizer, SpeechWindow
from stream.speakers.turns import Turn
from stream.speakers.windows import STEP_MS, WINDOW_MS, Extent, WindowSchedule, is_narrow

Floats = npt.NDArray[np.floating]
Embedding = Future[npt.NDArray[np.float32]]
"""Of a window of speech, ``(1, dim)``, of unit length."""
Embed = Callable[[Samples, Priority], Embedding]
Sound = Callable[[float, float], Samples | None]
"""Returns the sound from one media time to another, None where it is not there."""

_SCRAP: Final = 0.02
"""What a window weighs that is too short to tell voices apart by: it is only told whose it is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A window whose embedding was asked for."""

    start_ms: float
    end_ms: float
    narrow: bool
    future: Embedding


class SpeakerTracker:
    """Follows one stretch of speech after the other; for one thread.

    Args:
        embed: asks for a window's embedding; what goes on is less urgent than what has ended, and displaces nothing.
        failed: told why one could not be had; the speaker is told by the others.
    """

    def __init__(self, embed: Embed, diarizer: Diarizer, failed: Callable[[Exception], None]) -> None:
        self.diarizer = diarizer
        self._embed, self._failed = embed, failed
        self._schedule = WindowSchedule()
        self._asked: deque[_Asked] = deque()
        self._settled = True

    def begin(self, start_ms: float) -> None:
        """Follow speech that begins, or goes on from a cut."""
        self._schedule.begin(start_ms)

    def follow(self, now_ms: float, sound: Sound) -> bool:
        """Ask for the windows that are complete by now; return whether there were any: then those before are known."""
        due = self._schedule.due(now_ms)
        if due:
            self._take()
        for extent in due:
            self._ask(extent, sound, "frame")
        return bool(due)

    def end(self, end_ms: float, sound: Sound) -> None:
        """Ask for what is left of speech that ends, or likely has."""
        extent = self._schedule.rest(end_ms)
        if extent is not None:
            self._ask(extent, sound, "utterance")

    def settle(self) -> None:
        """Wait for all that was asked for, and find anew who is who."""
        self._take()
        if not self._settled:
            self.diarizer.settle()
            self._settled = True

    def turns(self, start_ms: float, end_ms: float) -> tuple[Turn, ...]:
        """Return whose turns there are, by what is known."""
        return self.diarizer.turns(start_ms, end_ms)

    def cancel(self) -> None:
        """Take back what was asked for."""
        while self._asked:
            self._asked.pop().future.cancel()

    def _ask(self, extent: Extent, sound: Sound, priority: Priority) -> None:
        samples = sound(*extent)
        if samples is not None:
            self._asked.append(_Asked(*extent, is_narrow(samples), self._embed(samples, priority)))

    def _take(self) -> None:
        while self._asked:
            asked = self._asked.popleft()
            try:
                embedding = asked.future.result()[0]
            except Exception as error:  # noqa: BLE001 - whatever it is, the other windows count
                self._failed(error)
                continue
            whole = asked.end_ms - asked.start_ms >= WINDOW_MS
            weight = STEP_MS / 1000 if whole else _SCRAP
            self.diarizer.add(SpeechWindow(asked.start_ms, asked.end_ms, embedding, weight, asked.narrow))
            self._settled = False
