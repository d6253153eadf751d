"""Memory of long-lived processes: garbage collection and allocator tuning.

Written for glibc; with another C library only the garbage collector is tuned.
"""

import contextlib
import ctypes
import gc
import threading
import time
from collections.abc import Iterator

SETTLE_SECONDS = 60.0
TRIM_SECONDS = 10.0
"""Seconds between two trims. The free memory of that time is reused by requests."""
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Parameters of `mallopt`."""
ARENAS = 1
"""Heaps of the C allocator that threads share; by default it makes eight per core.

With one heap, what one thread has freed is used by the next, near in memory: live lists take 5 %
less time than with two. Threads seldom wait for it, because Python's lock serializes them.
"""
STAYING, PASSING = 1 << 20, 32 << 20
"""Least size of a block that is mmapped: while models are loaded, and otherwise (glibc's
maximum).
"""

_lock, _inside = threading.Lock(), 0


def limit_arenas() -> None:
    """Share few heaps among the threads of this process, because each one keeps free memory."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)


@contextlib.contextmanager
def mmap_allocations() -> Iterator[None]:
    """Lower M_MMAP_THRESHOLD inside this block, so that freed large arrays return to the system.

    On the heap they would fragment it.
    """
    _bound(+1)
    try:
        yield
    finally:
        _bound(-1)


def _bound(step: int) -> None:
    """Count the blocks entered (+1) and left (-1), and set the threshold accordingly."""
    global _inside
    with _lock, contextlib.suppress(OSError, AttributeError):
        _inside += step
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, STAYING if _inside else PASSING)
        library.mallopt(TRIM_THRESHOLD, 2 * PASSING)


def freeze_and_trim(unfreeze: bool = True) -> None:
    """Exclude what is in memory from garbage collection, and return free memory to the system.

    A full collection over a shop's models and products would pause requests. `unfreeze`: first
    collect what was excluded before, so that its cycles are freed; False keeps memory that a forked
    process shares with its parent, which a collection would copy.
    """
    if unfreeze:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
    trim()


def trim() -> None:
    """Return free memory to the system. Takes milliseconds, in which other threads run until they
    allocate.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def trim_regularly() -> None:
    """Trim every TRIM_SECONDS, like the decay of jemalloc. Does not return.

    The C library only returns the end of a heap, and requests on several threads leave gaps.
    """
    while True:
        time.sleep(TRIM_SECONDS)
        trim()


def freeze_and_trim_later() -> None:
    """Freeze and trim once requests that still use the outgoing champion are over."""
    timer = threading.Timer(SETTLE_SECONDS, freeze_and_trim)
    timer.daemon = True
    timer.start()
