"""The processor time of a process: whether a silent worker computes or is dead."""

import psutil


def processor_seconds(pid: int) -> float:
    """Return how long a process has computed since its start; 0 if it has exited or cannot be measured."""
    try:
        times = psutil.Process(pid).cpu_times()
    except (OSError, psutil.Error):
        return 0.0
    return float(times.user + times.system)
