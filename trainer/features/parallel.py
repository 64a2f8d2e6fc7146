"""Work ahead in threads, in order and bounded."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD: Final = 2  # results for each thread that may wait: decoded images are large


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item], workers: int = 0) -> Generator[Result]:
    """Yield ``function`` of each item, in order, some of them computed ahead.

    Threads, not processes: PyAV and OpenCV work without Python's lock, and 15 images (40 MB at 1280 x 720) need not
    be copied from one process to another.

    Args:
        function: called in other threads; what it raises is raised here.
        items: taken as they are needed.
        workers: threads; 0 for as many as there are cores.
    """
    threads = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
