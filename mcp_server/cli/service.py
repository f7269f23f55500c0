"""`senses service`: Senses starts at login and is started again when it fails, by launchd or by the user's systemd."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_server.cli.service_files import LABEL, UNIT, launch_agent, systemd_unit
from mcp_server.launcher.paths import InstancePaths
from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.errors import SensesError

COMMAND_SECONDS = 30.0
KEPT_VARIABLES = ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
"""Variables of the terminal, besides those of Senses, that decide where settings, state and models are."""
START_ATTEMPTS = 5
"""launchctl's bootout returns before the old job is gone, and until then bootstrap fails."""


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
    running_marks: tuple[str, ...]
    """One of them is in the answer to `ask` while the service runs, or waits for another Senses to end."""
    log_hint: str
    """Where a person reads why it does not start."""

    def install(self, run: Run, sleep: Callable[[float], None] = time.sleep) -> str:
        """Write the file and start the service; return what was done. Nothing changes if it is installed so and runs.

        Another file of this name is kept beside the new one. If the service cannot be started, the old file is back.

        Raises:
            ServiceFailed: the manager refuses.
            OSError: the file cannot be written.
        """
        old = self._read()
        if old == self.content and self._runs(run):
            return f"Senses is already a service that runs ({self.file}); nothing changed."
        if old is not None:
            self._stop(run)
        kept = self._keep(old)
        self._write(self.content)
        try:
            for command in self.start:
                self._start(command, run, sleep, 1 if old is None else START_ATTEMPTS)
        except ServiceFailed:
            self._write(old)
            raise
        return f"Wrote {self.file}. Senses starts now, at each login, and again when it fails.{kept}"

    def uninstall(self, run: Run) -> str:
        """Stop the service and delete its file, of which an edited one is kept under another name; return what was done.

        Raises:
            OSError: the file cannot be deleted.
        """
        old = self._read()
        if old is None:
            return f"Senses is no service: there is no {self.file}."
        self._stop(run)
        kept = self._keep(old)
        self._write(None)
        return f"Removed {self.file}. Senses starts when a client needs it, or with `senses serve`.{kept}"

    def status(self, run: Run) -> dict[str, object]:
        """Return whether the service is installed, as this version would, and runs."""
        old = self._read()
        return {
            "file": str(self.file),
            "installed": old is not None,
            "current": old == self.content,
            "running": old is not None and self._runs(run),
            "log": self.log_hint,
        }

    def _runs(self, run: Run) -> bool:
        answer = run(self.ask)
        return answer.status == 0 and any(mark in answer.text for mark in self.running_marks)

    def _read(self) -> bytes | None:
        return self.file.read_bytes() if self.file.exists() else None

    def _write(self, content: bytes | None) -> None:
        """Write the file, or delete it; it may hold the key of the API."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            self.file.unlink()
        else:
            write_atomically(self.file, content, mode=PRIVATE)

    def _keep(self, old: bytes | None) -> str:
        """Write a file that is not of this version and these settings under another name; return what to say of it."""
        if old is None or old == self.content:
            return ""
        kept = self.file.with_name(f"{self.file.name}.old")
        write_atomically(kept, old, mode=PRIVATE)
        return f" The old file is {kept}."

    def _start(self, command: Sequence[str], run: Run, sleep: Callable[[float], None], attempts: int) -> None:
        for _ in range(attempts - 1):
            if run(command).status == 0:
                return
            sleep(1.0)
        check(command, run(command))

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
    state = "runs" if status["running"] else f"does not run; {status['log']} shows why"
    outdated = (
        "" if status["current"] else " The file is of another version or was edited; install it again to renew it."
    )
    return f"The service {state} ({status['file']}).{outdated}"


def this_service(environ: Mapping[str, str], home: Path) -> LoginService:
    """Return the service of this installation and instance, for this system."""
    command = [str(Path(sys.executable).parent / "senses"), "serve", "--wait"]
    variables = {
        name: value
        for name, value in sorted(environ.items())
        if value and (name in KEPT_VARIABLES or name.startswith("SENSES_"))
    }
    if sys.platform == "darwin":
        file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        log = Path(InstancePaths(environ).logs_folder) / "service.log"
        domain = f"gui/{os.getuid()}"
        return LoginService(
            file,
            launch_agent(command, variables, log),
            start=(
                ("mkdir", "-p", str(log.parent)),  # launchd makes no folder
                ("launchctl", "enable", f"{domain}/{LABEL}"),
                ("launchctl", "bootstrap", domain, str(file)),
            ),
            stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
            ask=("launchctl", "print", f"{domain}/{LABEL}"),
            running_marks=("state = running",),
            log_hint=str(log),
        )
    folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    systemctl = ("systemctl", "--user")
    return LoginService(
        folder / "systemd" / "user" / UNIT,
        systemd_unit(command, variables).encode(),
        # without --no-block, start waits as long as the service waits for another Senses
        start=((*systemctl, "daemon-reload"), (*systemctl, "enable", UNIT), (*systemctl, "start", "--no-block", UNIT)),
        stop=((*systemctl, "disable", "--now", UNIT),),
        ask=(*systemctl, "show", "--property=ActiveState", UNIT),
        running_marks=("ActiveState=active", "ActiveState=activating"),
        log_hint=f"`journalctl --user -u {UNIT}`",
    )
