"""How a process that serves for weeks keeps its memory: what stays apart from what comes and goes,
and what is free given back.

Written for glibc; under another C library Python's own part is done, and no more.
"""

import contextlib
import ctypes
import gc
import threading
from collections.abc import Iterator

SETTLE_SECONDS = 60.0
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of `mallopt`."""
STAYING, PASSING = 1 << 20, 32 << 20
"""Bytes from which on a block is mapped by itself: of what stays, and of what a request makes
and drops (the most that glibc takes).
"""

_lock, _inside = threading.Lock(), 0


@contextlib.contextmanager
def mmap_allocations() -> Iterator[None]:
    """Large blocks made here, for which memory has to be asked of the system, are mapped each by
    itself and go back whole: among what requests make and drop they would leave holes.
    """
    _bound(+1)
    try:
        yield
    finally:
        _bound(-1)


def _bound(step: int) -> None:
    """One more or less is inside; the bound is that of what stays until the last one has left."""
    global _inside
    with _lock, contextlib.suppress(OSError, AttributeError):
        _inside += step
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, STAYING if _inside else PASSING)
        library.mallopt(TRIM_THRESHOLD, 2 * PASSING)


def freeze_and_trim() -> None:
    """Let the garbage collector go past what stays from now on: a full pass over a shop's models
    and products holds every request up for a while.

    Memory that loading left free goes back to the system.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def freeze_and_trim_later() -> None:
    """Once the requests are over that still use the champion before this one."""
    timer = threading.Timer(SETTLE_SECONDS, freeze_and_trim)
    timer.daemon = True
    timer.start()
