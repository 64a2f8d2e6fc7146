"""An engine that runs: the worker that owns it, what is told of both, and their end."""

from collections.abc import Sequence
from typing import Final, Self

from models.runtime.engine import Engine, ServedName
from models.runtime.fallback import Fallback, FallbackEngine
from models.runtime.figures import BatchFigures
from models.runtime.schedule import Priority
from models.runtime.switching import EngineState, SwitchingEngine
from models.runtime.worker import DropReason, Worker

REPLACING: Final = 10  # times as long as usual may a batch take in which an engine is replaced: others are loaded first


class RunningEngine:
    """An engine and its worker.

    Args:
        engine: is closed with it.
        max_batch: rows of a batch, unless a single request has more.
        batch_window_ms: how long a batch with room waits for company, where some is likely.
        timeout_s: how long a batch may take, but where an engine is replaced.
    """

    def __init__(self, engine: Engine, max_batch: int, batch_window_ms: float, timeout_s: float) -> None:
        self._engine, self._timeout_s = engine, timeout_s
        self._worker = Worker(engine, max_batch, window_ms=batch_window_ms, limit_s=self._limit_s)

    @property
    def engine_state(self) -> EngineState:
        """Return the engine in use and the one that is being built to take its place."""
        return self._engine.state if isinstance(self._engine, SwitchingEngine) else EngineState(self._engine.name)

    @property
    def is_building(self) -> bool:
        """Return whether an engine is being built, which may go on for minutes after :meth:`close`."""
        return isinstance(self._engine, SwitchingEngine) and self._engine.is_busy

    @property
    def fallbacks(self) -> Sequence[Fallback]:
        """Return the engines that were given up so far, and why; it grows if one fails."""
        return self._engine.fallbacks if isinstance(self._engine, FallbackEngine | SwitchingEngine) else ()

    @property
    def dropped(self) -> dict[tuple[ServedName, DropReason], int]:
        """Return how many requests were not computed, by network and reason."""
        return self._worker.dropped

    @property
    def computed(self) -> dict[ServedName, BatchFigures]:
        """Return what was computed so far, by network."""
        return self._worker.computed

    @property
    def hangs(self) -> bool:
        """Return whether the engine does not answer: all that is asked fails until it does."""
        return self._worker.hangs

    @property
    def waiting(self) -> dict[Priority, int]:
        """Return how many requests wait: of ends of utterances, of images, and provisional ones."""
        return self._worker.waiting

    def _limit_s(self) -> float:
        replacing = isinstance(self._engine, FallbackEngine | SwitchingEngine) and self._engine.is_replacing
        return self._timeout_s * REPLACING if replacing else self._timeout_s

    def close(self) -> None:
        """Finish the batch under way, cancel what waits, and end the worker; a second call does nothing."""
        self._worker.close()
        if isinstance(self._engine, SwitchingEngine):
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
