"""Whether a Mac saves energy: it runs on battery, or Low Power Mode is on. Nothing is then done in advance."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.to_thread

from model_runtime.background import Sleep

PMSET = "/usr/bin/pmset"
READ_INTERVAL_SECONDS = 60.0
PMSET_TIMEOUT_SECONDS = 5.0

BATTERY_PATTERN = re.compile(r"^Now drawing from '(?:Battery|UPS) Power'", re.MULTILINE)
"""In the output of `pmset -g batt`; the names of the sources are those of IOKit's IOPSKeys.h."""
LOW_POWER_PATTERN = re.compile(r"^\s*(?:low)?powermode\s+1\b", re.MULTILINE)
"""In the output of `pmset -g` (pmset(1)): `lowpowermode` is 0 or 1, `powermode` 0 (automatic), 1 (low) or 2 (high)."""


def is_saving(power_source: str, power_settings: str) -> bool:
    """Return whether the outputs of `pmset -g batt` and `pmset -g` say that the Mac saves energy."""
    return bool(BATTERY_PATTERN.search(power_source) or LOW_POWER_PATTERN.search(power_settings))


def read_is_saving() -> bool:
    """Ask `pmset`, which takes some milliseconds. False if it does not answer, and on systems other than macOS."""
    if sys.platform != "darwin":
        return False
    try:
        return is_saving(_run_pmset("-g", "batt"), _run_pmset("-g"))
    except (OSError, subprocess.SubprocessError):
        return False


def _run_pmset(*arguments: str) -> str:
    # close_fds=False lets Python use posix_spawn on macOS: a fork of this process could hang
    result = subprocess.run(  # noqa: S603 - a fixed path of the system
        [PMSET, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PMSET_TIMEOUT_SECONDS,
        check=True,
        close_fds=False,
    )
    return result.stdout


@dataclass(slots=True)
class EnergySaving:
    """Whether the machine saves energy, as read once a minute."""

    read: Callable[[], bool] = read_is_saving
    is_on: bool = False

    async def watch(self, *, sleep: Sleep = anyio.sleep) -> None:
        """Keep `is_on` up to date."""
        while True:
            self.is_on = await anyio.to_thread.run_sync(self.read, abandon_on_cancel=True)
            await sleep(READ_INTERVAL_SECONDS)
