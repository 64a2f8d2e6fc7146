"""What a session tells of the engine that computes: who stands in, who took over, who was given up."""

from collections.abc import Sequence

from models.runtime.fallback import Fallback
from models.runtime.switching import EngineState
from wire import events


class EngineWarnings:
    """What a session has been told of the engine so far."""

    def __init__(self) -> None:
        self._fallbacks = 0
        self._state = EngineState("")

    def of(self, state: EngineState, fallbacks: Sequence[Fallback]) -> list[events.Warning]:
        """Return what is new.

        An engine that is being built is told to whoever starts meanwhile, one that took over to whoever saw it coming,
        and every engine that was given up to all, since it explains what is slow.
        """
        given_up = fallbacks[self._fallbacks :]
        told = [events.Warning(code="engine.replaced", message=fallback.told(state.name)) for fallback in given_up]
        awaited = self._state.building
        if awaited not in {None, state.building} and awaited not in {fallback.engine for fallback in fallbacks}:
            message = f"{state.name} is ready and computes from now on"
            told.append(events.Warning(code="engine.ready", message=message))
        if state.building not in {None, awaited}:
            message = f"{state.building} is being built; {state.name} computes until it is ready, more slowly"
            told.append(events.Warning(code="engine.building", message=message))
        self._fallbacks, self._state = len(fallbacks), state
        return told
