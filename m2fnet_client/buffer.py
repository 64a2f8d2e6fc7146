"""What was received and not yet taken, bounded, so that a session's events are read also while nobody takes them."""

import asyncio
from collections import deque
from typing import Final, Generic, TypeVar

from m2fnet_client.errors import ClientError

LIMIT: Final = 16 * 2**20

Item = TypeVar("Item")


class Buffer(Generic[Item]):
    """Items in order; who puts one waits while more than ``limit`` bytes of them lie here."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit: float = limit
        self._items: deque[tuple[Item, int]] = deque()
        self.size = 0
        self._ended = False
        self._failure: ClientError | None = None
        self._changed = asyncio.Condition()

    async def put(self, item: Item, size: int) -> None:
        """Add an item of so many bytes."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.size <= self._limit)
            self._items.append((item, size))
            self.size += size
            self._changed.notify_all()

    async def take(self) -> Item:
        """Return the next item, waiting for it.

        Raises:
            StopAsyncIteration: all were taken and no more will come.
            ClientError: the same, and that is why.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._items or self._ended)
            if self._items:
                item, size = self._items.popleft()
                self.size -= size
                self._changed.notify_all()
                return item
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def lift_limit(self) -> None:
        """Let everything in from now on."""
        async with self._changed:
            self._limit = float("inf")
            self._changed.notify_all()

    async def end(self, failure: ClientError | None) -> None:
        """Say that nothing more comes, and why if that was not meant to be."""
        async with self._changed:
            self._ended, self._failure = True, failure
            self._changed.notify_all()
