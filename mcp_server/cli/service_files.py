"""The files by which launchd of macOS and systemd of Linux keep Senses running for a user. Pure.

Formats: launchd.plist(5); systemd.service(5) and systemd.syntax(7).
"""

import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path

LABEL = "io.github.mlx-senses"
"""Of the LaunchAgent."""
UNIT = "senses.service"
RESTART_SECONDS = 10
WATCHDOG_SECONDS = 30
"""systemd ends a daemon whose event loop told nothing for so long; launchd asks nobody, and the daemon ends itself."""
STOP_SECONDS = 15
"""More than `mcp_server/cli/stop.py` waits."""


def launch_agent(command: Sequence[str], environ: Mapping[str, str], log: Path) -> bytes:
    """Return the property list of the LaunchAgent. `log` gets what a daemon says that cannot even start."""
    document = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "EnvironmentVariables": dict(environ),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},  # `senses stop` ends with 0 and stays ended
        "ThrottleInterval": RESTART_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
        "ProcessType": "Interactive",  # the others get less of the processor, and a person waits for the answer
        "StandardErrorPath": str(log),
    }
    return plistlib.dumps(document)


def systemd_unit(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the unit of the user's systemd.

    It may take long to start, because it waits for another Senses to end. A stop reaches the daemon alone, so that its
    workers finish what they do.
    """
    variables = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in environ.items())
    return f"""[Unit]
Description=Senses: local models that see, draw, hear and speak
StartLimitIntervalSec=0

[Service]
Type=notify
TimeoutStartSec=infinity
KillMode=mixed
ExecStart={" ".join(quoted(word.replace("$", "$$")) for word in command)}
{variables}Restart=on-failure
RestartSec={RESTART_SECONDS}
WatchdogSec={WATCHDOG_SECONDS}
TimeoutStopSec={STOP_SECONDS}

[Install]
WantedBy=default.target
"""


def quoted(word: str) -> str:
    """Return a word as systemd reads it: `%` begins a specifier, and a backslash an escape."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
