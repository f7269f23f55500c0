"""`senses service`: Senses starts at login and is started again when it fails, by launchd or by the user's systemd."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_server.cli.service_files import LABEL, UNIT, launch_agent, systemd_unit
from mcp_server.launcher.paths import InstancePaths
from model_runtime.atomic_file import write_atomically
from model_runtime.errors import SensesError

COMMAND_SECONDS = 30.0
KEPT_VARIABLES = ("SENSES_HOME", "HF_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
"""Variables of the terminal that decide where settings, state and models are; a service has none of its own."""


class ServiceFailed(SensesError):
    """The system's service manager did not do what it was told, or there is none."""

    code = "service_failed"


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """What a program answered: its exit status, and all that it printed."""

    status: int
    text: str


Run = Callable[[Sequence[str]], ProgramAnswer]


def run_program(command: Sequence[str]) -> ProgramAnswer:
    """Run a program of the system.

    Raises:
        ServiceFailed: it does not exist, or does not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the commands of this file
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise ServiceFailed(
            f"There is no {command[0]} on this system. Start `senses serve` by what starts your other programs."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ServiceFailed(f"`{' '.join(command)}` did not end within {COMMAND_SECONDS:.0f} s. Try again.") from error
    return ProgramAnswer(done.returncode, (done.stdout + done.stderr).strip())


@dataclass(frozen=True, slots=True)
class LoginService:
    """The service of this user: its file, what the file holds, and the commands of the system's manager."""

    file: Path
    content: bytes
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    ask: tuple[str, ...]
    """Succeeds while the service runs."""

    def install(self, run: Run) -> str:
        """Write the file and start the service; return what was done. Nothing changes if it is installed so and runs.

        If it cannot be started, no file is left.

        Raises:
            ServiceFailed: the manager refuses.
            OSError: the file cannot be written.
        """
        is_same = self.file.exists() and self.file.read_bytes() == self.content
        if is_same and run(self.ask).status == 0:
            return f"Senses is already a service that runs ({self.file}); nothing changed."
        if self.file.exists():
            self._stop(run)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.file, self.content)
        try:
            for command in self.start:
                check(command, run(command))
        except ServiceFailed:
            self.file.unlink()
            raise
        return f"Wrote {self.file}. Senses starts now, at each login, and again when it fails."

    def uninstall(self, run: Run) -> str:
        """Stop the service and delete its file; return what was done.

        Raises:
            OSError: the file cannot be deleted.
        """
        if not self.file.exists():
            return f"Senses is no service: there is no {self.file}."
        self._stop(run)
        self.file.unlink()
        return f"Removed {self.file}. Senses starts when a client needs it, or with `senses serve`."

    def status(self, run: Run) -> dict[str, object]:
        """Return whether the service is installed, as this version would, and runs."""
        is_installed = self.file.exists()
        return {
            "file": str(self.file),
            "installed": is_installed,
            "current": is_installed and self.file.read_bytes() == self.content,
            "running": is_installed and run(self.ask).status == 0,
        }

    def _stop(self, run: Run) -> None:
        """A service that does not run cannot be stopped, so what the manager answers is not looked at."""
        for command in self.stop:
            run(command)


def check(command: Sequence[str], answer: ProgramAnswer) -> None:
    """Do nothing if a command succeeded.

    Raises:
        ServiceFailed: it did not.
    """
    if answer.status:
        raise ServiceFailed(f"`{' '.join(command)}` failed: {answer.text or f'exit status {answer.status}'}")


def status_text(status: Mapping[str, object]) -> str:
    """Return a status as a sentence."""
    if not status["installed"]:
        return "Senses is no service. `senses service install` makes it one: it then starts at login."
    state = "runs" if status["running"] else "does not run; `senses service logs` shows why"
    outdated = (
        "" if status["current"] else " The file is of another version or was edited; install it again to renew it."
    )
    return f"The service {state} ({status['file']}).{outdated}"


def this_service(environ: Mapping[str, str], home: Path) -> LoginService:
    """Return the service of this installation and instance, for this system."""
    command = [str(Path(sys.executable).parent / "senses"), "serve"]
    variables = {name: environ[name] for name in KEPT_VARIABLES if environ.get(name)}
    if sys.platform == "darwin":
        file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        log = Path(InstancePaths(environ).logs_folder) / "service.log"
        domain = f"gui/{os.getuid()}"
        return LoginService(
            file,
            launch_agent(command, variables, log),
            start=(
                ("launchctl", "enable", f"{domain}/{LABEL}"),
                ("launchctl", "bootstrap", domain, str(file)),
            ),
            stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
            ask=("launchctl", "print", f"{domain}/{LABEL}"),
        )
    folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    systemctl = ("systemctl", "--user")
    return LoginService(
        folder / "systemd" / "user" / UNIT,
        systemd_unit(command, variables).encode(),
        start=((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", UNIT)),
        stop=((*systemctl, "disable", "--now", UNIT),),
        ask=(*systemctl, "is-active", "--quiet", UNIT),
    )
