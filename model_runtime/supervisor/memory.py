"""The machine's memory, the budget of the models and the memory of a process. Sizes in bytes."""

import ctypes
import logging
import os
import sys
from collections.abc import Callable

import psutil

from model_runtime.supervisor.pressure import Pressure

RESERVE_BYTES = 4 << 30
RESERVE_SHARE = 0.2
"""Memory reserved for everything but models: the larger of the two, but at most half of the machine's."""

WORKING_SET_SHARE = 0.9
"""Share of Metal's recommended working set that models may take; other programs draw on the same GPU."""

UNKNOWN_GPU_SHARE = 0.6
"""Share of the machine's memory that models may take until its GPU has told its working set: 0.9 of the smallest that
was seen, two thirds of the memory (16 GB Macs with older systems)."""

PRESSURE_SHARE = 0.03
"""A Linux machine with a smaller share of memory available is about to swap or to kill processes."""

PRESSURE_SYSCTL = b"kern.memorystatus_vm_pressure_level"
"""Sysctl of macOS with the number of a `Pressure`."""

RUSAGE_INFO_V0 = 0
PHYS_FOOTPRINT_FIELD = 9
"""Index of `ri_phys_footprint` in `rusage_info_v0` (macOS, <sys/resource.h>) in units of 8 bytes: a uuid of 16 bytes,
then seven counters before it."""
RUSAGE_FIELDS = 12
"""Size of `rusage_info_v0` in units of 8 bytes."""

log = logging.getLogger(__name__)


class Gauge:
    """A value that is measured again and again. A failed measurement, or 0, returns the last one; a failure is logged once."""

    def __init__(self, name: str, measure: Callable[[], int]) -> None:
        self._name = name
        self._measure = measure
        self._last = 0
        self._has_failed = False

    def read(self) -> int:
        """Return the value now, or the last one while it cannot be measured; 0 if it was never measured."""
        try:
            self._last = self._measure() or self._last
            self._has_failed = False
        except (OSError, psutil.Error) as error:
            self._log_first(error)
        return self._last

    def _log_first(self, error: Exception) -> None:
        if not self._has_failed:
            log.warning("The %s cannot be measured: %s. The last value is used.", self._name, error)
        self._has_failed = True


def _resident_bytes(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


TOTAL = Gauge("memory of the machine", lambda: int(psutil.virtual_memory().total))
OWN_FOOTPRINT = Gauge("memory of the daemon", lambda: footprint_bytes(os.getpid()))
AVAILABLE = Gauge("available memory", lambda: int(psutil.virtual_memory().available))


def gpu_limit_bytes(total_bytes: int, working_set_bytes: int) -> int:
    """Return how much memory models may take on an Apple GPU.

    `working_set_bytes` is what the system recommends to use at most, 0 while the GPU has not told it.
    """
    if not working_set_bytes:
        return int(UNKNOWN_GPU_SHARE * total_bytes)
    return int(WORKING_SET_SHARE * working_set_bytes)


def budget_bytes(configured_bytes: int, total_bytes: int, gpu_limit_bytes: int = 0) -> int:
    """Return how much memory all models together may take.

    `configured_bytes` 0 means the most that this machine allows; `gpu_limit_bytes` 0 means that it has no Apple GPU.
    """
    reserve_bytes = min(max(RESERVE_BYTES, int(RESERVE_SHARE * total_bytes)), total_bytes // 2)
    limit_bytes = total_bytes - reserve_bytes
    if gpu_limit_bytes:
        limit_bytes = min(limit_bytes, gpu_limit_bytes)
    return min(configured_bytes, limit_bytes) if configured_bytes else limit_bytes


def total_bytes() -> int:
    """Return the memory of the machine.

    Raises:
        OSError: it was never measured.
    """
    measured = TOTAL.read()
    if not measured:
        raise OSError("The memory of this machine cannot be measured.")
    return measured


def available_bytes() -> int:
    """Return the memory that processes can still take without swapping."""
    return AVAILABLE.read()


def pressure() -> Pressure:
    """Return how short of memory the machine is: on macOS by the kernel's level, else by the share that is available."""
    if sys.platform == "darwin":
        return Pressure.from_level(_pressure_level())
    return Pressure.CRITICAL if 0 < available_bytes() < PRESSURE_SHARE * TOTAL.read() else Pressure.NORMAL


def footprint_bytes(pid: int) -> int:
    """Return the memory of a process, 0 if it has exited or cannot be measured.

    On macOS this is the physical footprint, which includes Metal's buffers; elsewhere it is the resident memory.
    """
    if sys.platform == "darwin":
        return _physical_footprint(pid)
    try:
        return _resident_bytes(pid)
    except (OSError, psutil.Error):
        return 0


def own_footprint_bytes() -> int:
    """Return the memory of this process."""
    return OWN_FOOTPRINT.read()


def _physical_footprint(pid: int) -> int:
    fields = (ctypes.c_uint64 * RUSAGE_FIELDS)()
    failed = ctypes.CDLL(None).proc_pid_rusage(pid, RUSAGE_INFO_V0, ctypes.byref(fields))
    return 0 if failed else fields[PHYS_FOOTPRINT_FIELD]


def _pressure_level() -> int:
    level, size = ctypes.c_int(0), ctypes.c_size_t(4)
    failed = ctypes.CDLL(None).sysctlbyname(PRESSURE_SYSCTL, ctypes.byref(level), ctypes.byref(size), None, 0)
    return 0 if failed else level.value
