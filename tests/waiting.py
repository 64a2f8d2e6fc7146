"""How tests wait: for what is to come, never for a time. A machine that is busy with something else takes longer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 120.0  # less than a test's own limit, so that it fails where it waits


def wait_until(holds: Callable[[], bool]) -> None:
    """Look again and again until it is so; the test's own time limit ends it otherwise."""
    while not holds():
        time.sleep(0.01)


async def wait_until_async(holds: Callable[[], bool]) -> None:
    """Do as :func:`wait_until`, and let the event loop go on meanwhile."""
    while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.01)
