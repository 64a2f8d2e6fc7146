"""What every program here tells of one piece of work, once it is warm; needs nothing but Python, in any environment."""

import json
import resource
import sys
import time
from collections.abc import Callable


def tell(work: Callable[[], int]) -> None:
    """Do a piece of work twice and print of the second time the seconds, the processor's, and the items it returned.

    The memory is the most that the process has held so far, in bytes: what it loaded, too.
    """
    work()
    begun, processor = time.perf_counter(), time.process_time()
    items = work()
    figures = {
        "seconds": time.perf_counter() - begun,
        "processor_s": time.process_time() - processor,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "items": items,
    }
    json.dump(figures, sys.stdout)
