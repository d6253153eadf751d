"""Registry of the caches that live in process memory, so that tests clear them by one call."""

from collections.abc import Callable

_clear: list[Callable[[], object]] = []


def register(clear: Callable[[], object]) -> Callable[[], object]:
    """Register a function that empties one cache; usable as a decorator."""
    _clear.append(clear)
    return clear


def clear_all() -> None:
    """Empty every registered cache, as in a process that has just started."""
    for clear in _clear:
        clear()
