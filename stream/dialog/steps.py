"""Work in steps, each of which asks for something and goes on when it is there, waited for or not."""

import logging
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

_log: Final = logging.getLogger(__name__)

Result = TypeVar("Result")
Steps = Generator["Future[Any]", Any, Result]
"""Yields what it needs next, is sent what came of it, or gets its error; returns the result."""


class Run(Generic[Result]):
    """Steps on their way, for one thread."""

    def __init__(self, steps: Steps[Result]) -> None:
        self._steps = steps
        self._needed: Future[Any] | None = None
        self._outcome: Future[Result] = Future()

    def advance(self) -> bool:
        """Go on as far as that needs no waiting; return whether it is over."""
        while not self._outcome.done() and (self._needed is None or self._needed.done()):
            self._step()
        return self._outcome.done()

    def finish(self) -> None:
        """Go on to the end, waiting for whatever that needs."""
        while not self._outcome.done():
            self._step()

    def outcome(self) -> Result:
        """Return the result, waiting for it, or raise what ended it."""
        self.finish()
        return self._outcome.result()

    @property
    def result(self) -> Result | None:
        """Return the result of what is over, None if something ended it."""
        try:
            return self._outcome.result(0)
        except Exception:  # noqa: BLE001 - whatever it is, who asks so can do without
            _log.debug("there is no result", exc_info=True)
            return None

    def cancel(self) -> None:
        """Take back what it needs, and end it if it goes on."""
        if self._needed is not None:
            self._needed.cancel()
        self._outcome.cancel()
        self._steps.close()

    def _step(self) -> None:
        try:
            self._needed = self._resume()
        except StopIteration as end:
            self._outcome.set_result(end.value)
        except Exception as error:  # noqa: BLE001 - it belongs to who asks for the result
            self._outcome.set_exception(error)

    def _resume(self) -> "Future[Any]":
        if self._needed is None:
            return next(self._steps)
        try:
            came = self._needed.result()
        except Exception as error:  # noqa: BLE001 - the steps decide what that means
            return self._steps.throw(error)
        return self._steps.send(came)


def waited(steps: Steps[Result]) -> Result:
    """Return the result of steps, each waited for."""
    return Run(steps).outcome()
