"""Facts about the machine for a report: versions, system and chip, memory, limits, and the paths of sockets."""

import os
import platform
import resource
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from mcp_server.launcher.paths import MAX_SOCKET_PATH_BYTES, VERSION, InstancePaths
from model_runtime.catalog.catalog import has_apple_gpu

PACKAGES = ("mlx", "mlx-metal", "mlx-lm", "mlx-vlm", "mlx-whisper", "mlx-audio", "mflux", "transformers", "mcp")
SYSCTLS = (
    "machdep.cpu.brand_string",
    "hw.model",
    "hw.perflevel0.physicalcpu",
    "hw.perflevel1.physicalcpu",
    "sysctl.proc_translated",
    "iogpu.wired_limit_mb",
    "kern.memorystatus_vm_pressure_level",
    "vm.swapusage",
    "kern.maxfilesperproc",
)
"""Chip, model, kinds of cores, Rosetta, limit of GPU memory, pressure (1 normal, 2 warning, 4 critical), swap, files."""
SYSCTL_TIMEOUT_SECONDS = 10.0


def version_facts() -> dict[str, str]:
    """Return the versions of Senses, Python and the libraries of the engines."""
    versions = {"senses": VERSION, "python": platform.python_version(), "python_path": os.path.realpath(sys.executable)}
    return versions | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def system_facts() -> dict[str, Any]:
    """Return the system, the processor, the memory in bytes and, on macOS, what the kernel says of them."""
    battery = psutil.sensors_battery()
    return {
        "system": platform.platform(),
        "macos": platform.mac_ver()[0],
        "processor": platform.machine(),
        "apple_gpu": has_apple_gpu(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "available_bytes": psutil.virtual_memory().available,
        "on_battery": battery is not None and not battery.power_plugged,
        "terminal": os.environ.get("TERM_PROGRAM", ""),
        "sysctl": sysctl_values(),
    }


def sysctl_values() -> dict[str, str]:
    """Return name → value of `SYSCTLS` that this kernel has; {} on another system than macOS."""
    if sys.platform != "darwin":
        return {}
    try:
        done = subprocess.run(  # noqa: S603 - a program of macOS
            ["/usr/sbin/sysctl", *SYSCTLS],
            check=False,
            capture_output=True,
            text=True,
            timeout=SYSCTL_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition(": ") for line in done.stdout.splitlines())
    return {name: value for name, colon, value in pairs if colon}


def limit_facts() -> dict[str, Any]:
    """Return the limits of this process: open files, soft and hard, and bytes of a socket's buffers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_bytes = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        receive_bytes = ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return {
        "open_files": [_limit(soft), _limit(hard)],
        "socket_send_bytes": send_bytes,
        "socket_receive_bytes": receive_bytes,
    }


def _limit(value: int) -> int | str:
    return "unlimited" if value == resource.RLIM_INFINITY else value


def path_facts(paths: InstancePaths) -> dict[str, Any]:
    """Return where the instance keeps its socket and its log, and whether the socket's path fits into the system's."""
    return {
        "socket": paths.socket_path,
        "socket_path_bytes": len(os.fsencode(paths.socket_path)),
        "socket_path_max_bytes": MAX_SOCKET_PATH_BYTES,
        "socket_exists": os.path.exists(paths.socket_path),  # noqa: PTH110
        "log": paths.log_file,
    }
