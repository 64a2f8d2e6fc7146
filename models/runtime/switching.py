"""An engine that serves at once: the next best stands in while the best is built, and gives its place to it."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from models.runtime.engine import Array, Engine, EngineError, EngineInfo, Outputs, ServedName
from models.runtime.fallback import Candidate, Fallback, FallbackEngine, explained
from models.runtime.readiness import NotReadyError, building_while
from models.stored_bundle import AnyBundle
from models.threads import watched_thread

_log: Final = logging.getLogger(__name__)
_CLOSING_S: Final = 3.0


@dataclass(frozen=True)
class EngineState:
    """The engine in use, and the one that is being built to take its place, by its name in the settings."""

    name: str
    building: str | None = None


@dataclass(frozen=True)
class _Serving:
    """What changes in one step, so that no thread sees half of it."""

    engine: FallbackEngine
    building: str | None


class SwitchingEngine:
    """The best engine that is ready; a thread builds the better ones, and the first that works takes over.

    An engine is ready if all it needs is in the cache of converted networks. The switch is between two batches: the one
    under way ends on the engine that stood in. If one of the two fails on a batch, it gives way to the next engine that
    is ready (:class:`~models.runtime.fallback.FallbackEngine`): sessions wait for that batch, so that one which would
    have to be built is given up too. If nothing is ready, the start waits for the first that works.

    An engine is built and warmed up in another thread than it runs in; one that minds is wrapped in
    :class:`~models.runtime.own_thread.OwnThread`.

    Args:
        candidates: the engines, the best first.
        bundle: for the start; it is not kept.
        reload: gives the bundle again, for what is built later; from any thread.
        required: the first engine is the one asked for: that it can't be had is an error, unless building it shows it.
        on_fallback: told of every engine that is given up, in the thread that found out.

    Raises:
        EngineError: none works, or not the one required.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        bundle: AnyBundle,
        reload: Callable[[], AnyBundle],
        *,
        required: bool = False,
        on_fallback: Callable[[Fallback], None] | None = None,
    ) -> None:
        self.fallbacks: list[Fallback] = []
        self._reload, self._on_fallback = reload, on_fallback
        self._closed = threading.Event()
        engine, awaited, spare = self._first_ready(candidates, bundle, required=required)
        self._serving = _Serving(engine, awaited[0].name if awaited else None)
        self._thread = watched_thread("engine-build", partial(self._build, awaited, spare), self._broke)
        if awaited:
            _log.info("%s is being built; %s stands in until it is ready", awaited[0].name, self.name)
            self._thread.start()

    @property
    def name(self) -> str:
        """Return the name of the engine in use."""
        return self._serving.engine.name

    @property
    def state(self) -> EngineState:
        """Return the engine in use and the one that is being built."""
        serving = self._serving
        return EngineState(serving.engine.name, serving.building)

    @property
    def is_replacing(self) -> bool:
        """Return whether the engine in use is being replaced in the middle of a batch."""
        return self._serving.engine.is_replacing

    def warm_up(self) -> None:
        """Do nothing: every engine is warm when it is taken."""

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the network's outputs for one batch.

        Raises:
            Exception: that of the engine in use, where none that it gives way to can compute the batch either.
        """
        return self._serving.engine.run(network, inputs)

    def describe(self) -> EngineInfo:
        """Return what the engine in use is and how it computes."""
        return self._serving.engine.describe()

    @property
    def is_busy(self) -> bool:
        """Return whether a library still builds, which may go on after :meth:`close`."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Build nothing more; the network under way is waited for a few seconds at most, and thrown away."""
        self._closed.set()
        if self.is_busy:
            self._thread.join(_CLOSING_S)

    def _first_ready(
        self, candidates: Sequence[Candidate], bundle: AnyBundle, *, required: bool
    ) -> tuple[FallbackEngine, list[Candidate], Sequence[Candidate]]:
        """Return the best engine that is ready, the better ones that must be built, and it and those after it."""
        awaited: list[Candidate] = []
        failed: list[Fallback] = []
        for index, candidate in enumerate(candidates):
            try:
                with building_while(lambda: False):
                    engine = self._load(candidates[index:], bundle)
            except NotReadyError:
                awaited.append(candidate)
            except EngineError as error:
                if required and not index:
                    raise
                failed.append(Fallback(candidate.name, explained(error)))
            else:
                for fallback in failed:
                    self._give_up(fallback, engine.name)
                return engine, awaited, candidates[index:]
        found = FallbackEngine(candidates, bundle, self._reload, required=required, on_fallback=self._note)
        return found, [], ()

    def _load(self, candidates: Sequence[Candidate], bundle: AnyBundle) -> FallbackEngine:
        """Return the first engine, which those of the others that are ready stand behind."""
        first, *others = candidates
        behind = [_at_once(candidate) for candidate in others]
        return FallbackEngine([first, *behind], bundle, self._reload, required=True, on_fallback=self._note)

    def _build(self, awaited: Sequence[Candidate], spare: Sequence[Candidate]) -> None:
        """Build the engines, best first, until one can take over."""
        standing_in = self._serving.engine
        for candidate in awaited:
            self._serving = _Serving(standing_in, candidate.name)
            built = self._built(candidate, spare)
            if self._closed.is_set():
                return
            if built is not None:
                _log.info("%s is ready and takes over from %s", built.name, self.name)
                self._serving = _Serving(built, None)
                return
        self._serving = _Serving(standing_in, None)

    def _broke(self, error: BaseException) -> None:
        """Let nobody wait for an engine that is built no more."""
        serving = self._serving
        self._serving = _Serving(serving.engine, None)
        self.fallbacks.append(Fallback(serving.building or "", explained(error)))

    def _built(self, candidate: Candidate, spare: Sequence[Candidate]) -> FallbackEngine | None:
        start = time.perf_counter()
        try:
            with building_while(lambda: not self._closed.is_set()):
                built = self._load([candidate, *spare], self._reload())
        except BaseException as error:  # noqa: BLE001 - whatever it is, serving goes on
            if not self._closed.is_set():
                self._give_up(Fallback(candidate.name, explained(error)), self.name)
            return None
        _log.info("building %s took %.0f s", candidate.name, time.perf_counter() - start)
        return built

    def _give_up(self, fallback: Fallback, instead: str) -> None:
        _log.warning("%s", fallback.told(instead))
        self._note(fallback)

    def _note(self, fallback: Fallback) -> None:
        self.fallbacks.append(fallback)
        if self._on_fallback is not None:
            self._on_fallback(fallback)


def _at_once(candidate: Candidate) -> Candidate:
    """Return the candidate as one that fails where it would have to be built."""

    def load(bundle: AnyBundle) -> Engine:
        try:
            with building_while(lambda: False):
                return candidate.load(bundle)
        except NotReadyError as error:  # to whoever looks for the next engine, one that does not work
            raise EngineError(str(error)) from error

    return Candidate(candidate.name, load)
