"""The same for programs without an event loop: the client runs in one of its own, in a thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, Generic, ParamSpec, Self, TypeVar

import numpy as np
import numpy.typing as npt

from m2fnet_client.addresses import Position
from m2fnet_client.core import Received
from m2fnet_client.files import FRAMES_PER_SECOND
from m2fnet_client.session import FINISH_S, Session, connect
from m2fnet_client.watcher import Watched, Watcher, watch
from wire.events import SessionClosed
from wire.media import MediaMessage
from wire.settings import ClientSettings

Arguments = ParamSpec("Arguments")
Entered = TypeVar("Entered")
Item = TypeVar("Item")
Result = TypeVar("Result")
END: Final = object()


class Portal:
    """An event loop in a thread, and the way into it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what ``work`` returns or raise what it raises; interrupted, it is cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()


@contextmanager
def portal() -> Generator[Portal]:
    """Run an event loop beside this thread."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    def work() -> None:
        running = run()
        try:
            asyncio.run(running)
        except BaseException as error:
            running.close()
            if started.done():
                raise
            started.set_exception(error)  # there is no loop: no file is left to open, say

    # A daemon, so that a program that dies doesn't hang on it.
    thread = threading.Thread(target=work, name="m2fnet client", daemon=True)
    thread.start()
    loop, stop = started.result()
    try:
        yield Portal(loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


class WaitingIterator(Generic[Item]):
    """Something to iterate over with ``async``, iterated over by waiting."""

    def __init__(self, items: AsyncIterator[Item], way: Portal) -> None:
        self._items = items
        self._portal = way

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        item = self._portal.call(_next(self._items))
        if item is END:
            raise StopIteration
        return item  # type: ignore[return-value] # END is all it may be besides


class BlockingSession(WaitingIterator[Received]):
    """A :class:`~m2fnet_client.session.Session` whose methods wait; they may be called from several threads."""

    def __init__(self, session: Session, way: Portal) -> None:
        super().__init__(session, way)
        self._session = session

    @property
    def id(self) -> str:
        """The session's id."""
        return self._session.id

    @property
    def key(self) -> str:
        """See :attr:`Session.key <m2fnet_client.session.Session.key>`."""
        return self._session.key

    @property
    def position(self) -> Position | None:
        """See :attr:`Session.position <m2fnet_client.session.Session.position>`."""
        return self._session.position

    @property
    def labels(self) -> list[str]:
        """The emotions; empty until ``session.created`` has told them."""
        return self._session.labels

    def configure(self, settings: ClientSettings) -> None:
        """Change the session's settings; only before its first media."""
        self._portal.call(self._session.configure(settings))

    def send_audio(self, time_ms: float, samples: npt.NDArray[np.float32] | bytes) -> None:
        """Send sound, 16 kHz mono: numbers in [-1, 1], or bytes of 16-bit signed integers, little-endian."""
        self._portal.call(self._session.send_audio(time_ms, samples))

    def send_frame(self, time_ms: float, jpeg: bytes) -> None:
        """Send a JPEG frame."""
        self._portal.call(self._session.send_frame(time_ms, jpeg))

    def send(self, message: MediaMessage) -> None:
        """Send sound or a frame that is encoded already."""
        self._portal.call(self._session.send(message))

    def send_file(
        self, path: Path | str, *, frames_per_second: float = FRAMES_PER_SECOND, start_ms: float = 0.0
    ) -> float:
        """Send a media file at its own speed; return the media time of its end, in milliseconds."""
        sending = self._session.send_file(path, frames_per_second=frames_per_second, start_ms=start_ms)
        return self._portal.call(sending)

    def play(self, path: Path | str, *, frames_per_second: float = FRAMES_PER_SECOND) -> Generator[Received]:
        """Send a media file as :meth:`send_file` does, finish the session, and yield what is told meanwhile."""
        playing = self._session.play(path, frames_per_second=frames_per_second)
        try:
            yield from WaitingIterator(playing, self._portal)
        finally:
            self._portal.call(playing.aclose())

    def finish(self, timeout_s: float = FINISH_S) -> SessionClosed:
        """End the session; its last emotions are waited for, and can be iterated over afterwards, too."""
        return self._portal.call(self._session.finish(timeout_s))


class BlockingWatcher(WaitingIterator[Watched]):
    """A :class:`~m2fnet_client.watcher.Watcher` to iterate over, waiting."""

    def __init__(self, watcher: Watcher, way: Portal) -> None:
        super().__init__(watcher, way)
        self._watcher = watcher

    @property
    def position(self) -> Position | None:
        """How far the events of the room were received."""
        return self._watcher.position


async def _next(items: AsyncIterator[object]) -> object:
    return await anext(items, END)


def _in_a_loop(
    enter: Callable[Arguments, AbstractAsyncContextManager[Entered]], wrap: Callable[[Entered, Portal], Result]
) -> Callable[Arguments, AbstractContextManager[Result]]:
    """Return what enters the same without an event loop of its own, with the same arguments."""

    @wraps(enter, updated=())
    @contextmanager
    def entered(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Generator[Result]:
        with portal() as way:
            stack = AsyncExitStack()

            async def begin() -> Entered:
                return await stack.enter_async_context(enter(*args, **kwargs))

            inside = way.call(begin())
            try:
                yield wrap(inside, way)
            finally:
                way.call(stack.aclose())

    return entered


connect_sync = _in_a_loop(connect, BlockingSession)
watch_sync = _in_a_loop(watch, BlockingWatcher)
