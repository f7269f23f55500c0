"""`senses service`: the files of launchd and systemd, and the commands of their managers."""

import json
import os
import plistlib
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcp_server.cli import service as service_module
from mcp_server.cli.service import ProgramAnswer, ServiceFailed, run_program, status_text, this_service
from mcp_server.cli.service_files import launch_agent, systemd_unit
from tests.mcp_server.cli.terminal import in_pipe, in_terminal

ODD_COMMAND = ['/Users/a b/100%/$HOME/"x"/senses', "serve"]
VARIABLES = {"SENSES_HOME": "/Users/a b/100%"}


class FakeManager:
    """launchctl or systemctl, and mkdir: notes what it is told, and answers as these do.

    A job of launchd that ended is still known. After `bootout` the first `refusals` of `bootstrap` fail.
    """

    def __init__(self, failing: str = "", refusals: int = 0) -> None:
        self.told: list[str] = []
        self.is_known = self.runs = False
        self.failing, self.refusals = failing, refusals

    def __call__(self, command: Sequence[str]) -> ProgramAnswer:
        text = " ".join(command)
        if " print " in text:
            state = "state = running" if self.runs else "state = not running"
            return ProgramAnswer(0, state) if self.is_known else ProgramAnswer(113, "Could not find service")
        if " show " in text:
            return ProgramAnswer(0, f"ActiveState={'active' if self.runs else 'inactive'}")
        self.told.append(text)
        if self.failing and self.failing in text:
            return ProgramAnswer(1, "Failed to connect to bus")
        if " bootstrap " in text and len(self.told) > 1 and self.refusals:
            self.refusals -= 1
            return ProgramAnswer(5, "Bootstrap failed: 5: Input/output error")
        if " bootstrap " in text or " start " in text:
            self.is_known = self.runs = True
        if " bootout " in text or " disable " in text:
            self.is_known = self.runs = False
        return ProgramAnswer(0, "")

    def end(self) -> None:
        """End the daemon as `senses stop` does."""
        self.runs = False


@pytest.mark.promise("service:files")
def test_the_launch_agent_restarts_what_fails_and_not_what_was_stopped(tmp_path: Path) -> None:
    document = plistlib.loads(launch_agent(ODD_COMMAND, VARIABLES, tmp_path / "service.log"))

    assert document["ProgramArguments"] == ODD_COMMAND
    assert document["EnvironmentVariables"] == VARIABLES
    assert document["KeepAlive"] == {"SuccessfulExit": False}
    assert document["RunAtLoad"] is True


@pytest.mark.process
@pytest.mark.promise("service:files")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("There is no systemd-analyze.")
    folder = tmp_path / "a b" / "100%"
    folder.mkdir(parents=True)
    (folder / "senses").symlink_to(sys.executable)
    unit = tmp_path / "senses.service"
    unit.write_text(systemd_unit([str(folder / "senses"), "serve"], VARIABLES), encoding="utf-8")

    told = subprocess.run(
        [analyze, "--user", "verify", unit],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "warning"},
    )

    assert [line for line in told.stderr.splitlines() if "senses" in line] == []
    assert told.returncode == 0


def test_a_unit_keeps_what_systemd_would_replace() -> None:
    unit = systemd_unit(ODD_COMMAND, VARIABLES)

    assert 'ExecStart="/Users/a b/100%%/$$HOME/\\"x\\"/senses" "serve"' in unit
    assert 'Environment="SENSES_HOME=/Users/a b/100%%"' in unit


@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.promise("service:install")
def test_it_is_installed_once_renewed_and_removed(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    manager, service = FakeManager(), this_service(VARIABLES, tmp_path)

    assert service.status(manager)["installed"] is False
    assert "Senses starts now" in service.install(manager)
    assert manager.runs
    assert "nothing changed" in service.install(manager)
    manager.end()
    assert service.status(manager)["running"] is False
    assert "Senses starts now" in service.install(manager)
    assert manager.runs
    assert "Removed" in service.uninstall(manager)
    assert not manager.runs
    assert "is no service" in service.uninstall(manager)
    assert list(service.file.parent.iterdir()) == []


@pytest.mark.promise("service:install")
def test_what_a_person_edited_is_kept_beside_the_new_file(tmp_path: Path) -> None:
    manager, service = FakeManager(), this_service(VARIABLES, tmp_path)
    kept = service.file.with_name(f"{service.file.name}.old")
    service.install(manager)
    service.file.write_text("edited")

    assert (service.status(manager)["current"], service.status(manager)["running"]) == (False, True)
    assert service.install(manager).endswith(f"The old file is {kept}.")
    assert service.file.read_bytes() == service.content
    assert kept.read_text() == "edited"

    service.file.write_text("edited again")
    service.uninstall(manager)
    assert kept.read_text() == "edited again"


def test_a_service_that_cannot_start_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    service, manager = this_service({}, tmp_path), FakeManager(failing="daemon-reload")
    waits: list[float] = []

    for before in (None, b"edited"):
        if before is not None:
            service.file.write_bytes(before)
        with pytest.raises(ServiceFailed, match="`systemctl --user daemon-reload` failed: Failed to connect to bus"):
            service.install(manager, waits.append)
        assert (service.file.read_bytes() if service.file.exists() else None) == before


def test_the_file_may_hold_a_key_and_is_private(tmp_path: Path) -> None:
    service = this_service({"SENSES_API_KEY": "secret", "PATH": "/bin", "HF_HUB_CACHE": "/models"}, tmp_path)

    service.install(FakeManager())

    assert stat.S_IMODE(service.file.stat().st_mode) == 0o600
    assert b"secret" in service.content
    assert b"/models" in service.content
    assert b"/bin:" not in service.content


@pytest.mark.process
def test_a_system_without_a_manager_is_told_of_the_other_way() -> None:
    with pytest.raises(ServiceFailed, match="There is no no-such-manager on this system"):
        run_program(["no-such-manager"])


@pytest.mark.promise("service:install")
async def test_the_commands_tell_a_person_and_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = FakeManager()
    monkeypatch.setattr(service_module, "run_program", manager)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    absent = await in_terminal("service", "status")
    installed = await in_terminal("service", "install")
    status = await in_pipe("service", "status", "--json")
    removed = await in_pipe("service", "uninstall", "--json")

    assert "Senses is no service." in absent.text
    assert "Senses starts now" in installed.text
    assert json.loads(status.text)["running"] is True
    assert "Removed" in json.loads(removed.text)["message"]


def test_a_status_says_what_to_do() -> None:
    status = {"file": "f", "installed": True, "current": False, "running": False, "log": "the log"}

    assert status_text(status) == (
        "The service does not run; the log shows why (f). "
        "The file is of another version or was edited; install it again to renew it."
    )
