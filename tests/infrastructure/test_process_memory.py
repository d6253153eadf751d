"""Memory of the C allocator, measured in child processes."""

import ctypes
import subprocess
import sys

import pytest

MAPPED = """
import ctypes
import numpy as np
from recommender.infrastructure import process_memory as memory

class Told(ctypes.Structure):  # mallinfo2
    _fields_ = [(f"field_{i}", ctypes.c_size_t) for i in range(10)]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Told

def block():
    return np.ones(2 * memory.STAYING, dtype=np.int8)

def mapped():
    return library.mallinfo2().field_3
"""


def run(code: str) -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("another C library than glibc")
    done = subprocess.run(
        [sys.executable, "-c", MAPPED + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_large_blocks_that_stay_are_mapped_each_by_itself_and_others_are_not():
    run("""
before = mapped()
with memory.mmap_allocations():
    stays = [block() for _ in range(3)]
assert mapped() == before + 3
passes = [block() for _ in range(3)]
assert mapped() == before + 3
del stays
assert mapped() == before
""")


def test_the_bounds_are_put_back_where_loading_fails():
    run("""
try:
    with memory.mmap_allocations():
        raise ValueError("broken")
except ValueError:
    pass
before, passes = mapped(), block()
assert mapped() == before
""")


def test_the_bound_holds_until_the_last_one_has_left():
    run("""
before = mapped()
with memory.mmap_allocations():
    with memory.mmap_allocations():
        pass
    stays = block()
assert mapped() == before + 1
""")


def test_freed_gaps_of_a_heap_return_to_the_system():
    run("""
import threading

def resident():
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))

blocks = [np.ones(200_000, dtype=np.int8) for _ in range(400)]
kept = blocks[::8]
del blocks
before = resident()
memory.TRIM_SECONDS = 0.05
threading.Thread(target=memory.trim_regularly, daemon=True).start()
memory.time.sleep(0.5)
assert resident() < before - 30_000, (before, resident())
assert len(kept) == 50
""")
