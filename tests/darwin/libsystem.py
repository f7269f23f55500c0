"""A stand-in for macOS's libSystem, as `ctypes.CDLL(None)` opens it there: the functions the product calls, no others.

Signatures, structures and numbers are those of Apple's open sources at github.com/apple-oss-distributions:
xnu `bsd/sys/resource.h` (rusage_info_v0), `libsyscall/wrappers/libproc/libproc.h` (proc_pid_rusage),
and libmalloc `include/malloc/malloc.h` (malloc_zone_pressure_relief).
"""

import ctypes
from dataclasses import dataclass, field
from typing import Any

RUSAGE_INFO_V0 = 0
FAILED = -1


class RusageInfoV0(ctypes.Structure):
    """`struct rusage_info_v0`."""

    _fields_ = (
        ("ri_uuid", ctypes.c_uint8 * 16),
        ("ri_user_time", ctypes.c_uint64),
        ("ri_system_time", ctypes.c_uint64),
        ("ri_pkg_idle_wkups", ctypes.c_uint64),
        ("ri_interrupt_wkups", ctypes.c_uint64),
        ("ri_pageins", ctypes.c_uint64),
        ("ri_wired_size", ctypes.c_uint64),
        ("ri_resident_size", ctypes.c_uint64),
        ("ri_phys_footprint", ctypes.c_uint64),
        ("ri_proc_start_abstime", ctypes.c_uint64),
        ("ri_proc_exit_abstime", ctypes.c_uint64),
    )


@dataclass
class FakeLibSystem:
    """Answers for the processes it is given, and fails with -1 as the real functions do."""

    footprints: dict[int, int] = field(default_factory=dict)
    relieved_bytes: list[int] = field(default_factory=list)
    """The goals of the calls of malloc_zone_pressure_relief; 0 means as much as possible."""

    def proc_pid_rusage(self, pid: int, flavor: int, buffer: Any) -> int:
        """Fill a buffer of the caller with `struct rusage_info_v0`; every other field has a value that stands out."""
        if pid not in self.footprints or flavor != RUSAGE_INFO_V0:
            return FAILED
        info = RusageInfoV0(*(((0xFF,) * 16), *range(1001, 1008), self.footprints[pid], 1009, 1010))
        ctypes.memmove(buffer, ctypes.byref(info), ctypes.sizeof(info))
        return 0

    def malloc_zone_pressure_relief(self, zone: object, goal: ctypes.c_size_t) -> int:
        """Return the bytes given back."""
        assert zone is None, "NULL means every zone"
        self.relieved_bytes.append(goal.value)
        return 1 << 20
