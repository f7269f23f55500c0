"""How much memory there is, how much of it models may take, and what a process really holds. Sizes in bytes."""

import ctypes
import gc
import sys

import psutil

RESERVE_BYTES = 4 << 30
RESERVE_SHARE = 0.2
"""Left to everything else on the machine: the larger of the two, but never more than half of it."""

WORKING_SET_SHARE = 0.9
"""Of what Metal recommends: the rest is left to whatever else draws on this machine."""

PRESSURE_SHARE = 0.03
"""With less than this available a Linux machine is about to swap or to kill."""

PRESSURE_SYSCTL = b"kern.memorystatus_vm_pressure_level"
PRESSURE_WARNING = 2
"""1 is normal, 4 critical."""

RUSAGE_INFO_V0 = 0
PHYS_FOOTPRINT_FIELD = 9
"""In units of 8 bytes: 16 bytes of uuid, then the eighth counter of `rusage_info_v0` in <sys/resource.h>."""
RUSAGE_FIELDS = 12


def budget_bytes(configured_bytes: int, total_bytes: int, working_set_bytes: int = 0) -> int:
    """Decide what all models together may take; `configured_bytes` 0 means as much as is reasonable.

    `working_set_bytes` is what the system recommends to use of the GPU's memory at most; 0 where it says nothing.
    """
    reserve = min(max(RESERVE_BYTES, int(RESERVE_SHARE * total_bytes)), total_bytes // 2)
    reasonable = total_bytes - reserve
    if working_set_bytes:
        reasonable = min(reasonable, int(WORKING_SET_SHARE * working_set_bytes))
    return min(configured_bytes, reasonable) if configured_bytes else reasonable


def total_bytes() -> int:
    """Return the memory of the machine."""
    return int(psutil.virtual_memory().total)


def available_bytes() -> int:
    """Return what the system could give to a process without swapping."""
    return int(psutil.virtual_memory().available)


def is_under_pressure() -> bool:
    """Whether the machine runs short of memory, in the system's own judgement on macOS."""
    if sys.platform == "darwin":
        return _pressure_level() >= PRESSURE_WARNING
    return available_bytes() < PRESSURE_SHARE * total_bytes()


def footprint_bytes(pid: int) -> int:
    """Return what the process holds, 0 where it is gone.

    On macOS that is the physical footprint by which the system judges processes, Metal's buffers included; resident
    memory on other systems.
    """
    if sys.platform == "darwin":
        return _physical_footprint(pid)
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def release_memory() -> None:
    """Return to the system what this process holds of the past; takes a few milliseconds.

    Closed connections and ended processes lie in circles until they are collected: 20 MB after ten minutes of calls.
    Pictures and recordings leave holes between what lives on: as much again.
    """
    gc.collect()
    allocator = ctypes.CDLL(None)
    if sys.platform == "darwin":
        allocator.malloc_zone_pressure_relief(None, ctypes.c_size_t(0))
    elif hasattr(allocator, "malloc_trim"):  # glibc's; musl keeps nothing worth asking for
        allocator.malloc_trim(ctypes.c_size_t(0))


def _physical_footprint(pid: int) -> int:
    fields = (ctypes.c_uint64 * RUSAGE_FIELDS)()
    failed = ctypes.CDLL(None).proc_pid_rusage(pid, RUSAGE_INFO_V0, ctypes.byref(fields))
    return 0 if failed else fields[PHYS_FOOTPRINT_FIELD]


def _pressure_level() -> int:
    level, size = ctypes.c_int(0), ctypes.c_size_t(4)
    failed = ctypes.CDLL(None).sysctlbyname(PRESSURE_SYSCTL, ctypes.byref(level), ctypes.byref(size), None, 0)
    return 0 if failed else level.value
