"""The machine's memory, the budget of the models and the memory of a process. Sizes in bytes."""

import ctypes
import gc
import sys

import psutil

RESERVE_BYTES = 4 << 30
RESERVE_SHARE = 0.2
"""Memory reserved for everything but models: the larger of the two, but at most half of the machine's."""

WORKING_SET_SHARE = 0.9
"""Share of Metal's recommended working set that models may take; other programs draw on the same GPU."""

PRESSURE_SHARE = 0.03
"""A Linux machine with a smaller share of memory available is about to swap or to kill processes."""

PRESSURE_SYSCTL = b"kern.memorystatus_vm_pressure_level"
PRESSURE_WARNING = 2
"""Level of that macOS sysctl (XNU, `kern_memorystatus.h`): 1 is normal, 2 warning, 4 critical."""

RUSAGE_INFO_V0 = 0
PHYS_FOOTPRINT_FIELD = 9
"""Index of `ri_phys_footprint` in `rusage_info_v0` (macOS, <sys/resource.h>) in units of 8 bytes: a uuid of 16 bytes,
then seven counters before it."""
RUSAGE_FIELDS = 12
"""Size of `rusage_info_v0` in units of 8 bytes."""


def budget_bytes(configured_bytes: int, total_bytes: int, working_set_bytes: int = 0) -> int:
    """Return how much memory all models together may take.

    `configured_bytes` 0 means the most that this machine allows. `working_set_bytes` is the GPU memory that the system
    recommends to use at most, 0 if unknown.
    """
    reserve_bytes = min(max(RESERVE_BYTES, int(RESERVE_SHARE * total_bytes)), total_bytes // 2)
    limit_bytes = total_bytes - reserve_bytes
    if working_set_bytes:
        limit_bytes = min(limit_bytes, int(WORKING_SET_SHARE * working_set_bytes))
    return min(configured_bytes, limit_bytes) if configured_bytes else limit_bytes


def total_bytes() -> int:
    """Return the memory of the machine."""
    return int(psutil.virtual_memory().total)


def available_bytes() -> int:
    """Return the memory that processes can still take without swapping."""
    return int(psutil.virtual_memory().available)


def is_under_pressure() -> bool:
    """Return whether the machine is short of memory: on macOS by the kernel's pressure level, else by a share."""
    if sys.platform == "darwin":
        return _pressure_level() >= PRESSURE_WARNING
    return available_bytes() < PRESSURE_SHARE * total_bytes()


def footprint_bytes(pid: int) -> int:
    """Return the memory of a process, 0 if it has exited.

    On macOS this is the physical footprint, which includes Metal's buffers; elsewhere it is the resident memory.
    """
    if sys.platform == "darwin":
        return _physical_footprint(pid)
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


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


def _physical_footprint(pid: int) -> int:
    fields = (ctypes.c_uint64 * RUSAGE_FIELDS)()
    failed = ctypes.CDLL(None).proc_pid_rusage(pid, RUSAGE_INFO_V0, ctypes.byref(fields))
    return 0 if failed else fields[PHYS_FOOTPRINT_FIELD]


def _pressure_level() -> int:
    level, size = ctypes.c_int(0), ctypes.c_size_t(4)
    failed = ctypes.CDLL(None).sysctlbyname(PRESSURE_SYSCTL, ctypes.byref(level), ctypes.byref(size), None, 0)
    return 0 if failed else level.value
