"""Give unused memory of this process back to the system."""

import ctypes
import gc
import sys

M_ARENA_MAX = -8
"""The parameter of glibc's mallopt, from its malloc.h."""


def release_memory() -> None:
    """Return unused memory of this process to the system; this takes a few milliseconds.

    Closed connections and exited workers are reference cycles until they are collected (20 MB after ten minutes of
    calls); freed images and recordings leave as much in fragments of the heap.
    """
    gc.collect()
    allocator = ctypes.CDLL(None)
    if sys.platform == "darwin":
        allocator.malloc_zone_pressure_relief(None, ctypes.c_size_t(0))
    elif hasattr(allocator, "malloc_trim"):  # only glibc has it; musl keeps little freed memory
        allocator.malloc_trim(ctypes.c_size_t(0))


def share_one_heap() -> None:
    """Have all threads of this process allocate from one heap: in those that glibc gives each, freed memory stays."""
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):  # glibc and musl, where it changes nothing
        allocator.mallopt(M_ARENA_MAX, 1)
