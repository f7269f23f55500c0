"""Senses as a LaunchAgent, with a launchctl that only notes what it is told."""

import os
from pathlib import Path

from mcp_server.cli.service import this_service
from mcp_server.cli.service_files import LABEL
from tests.mcp_server.cli.test_service import FakeManager


def test_on_a_mac_the_agent_is_of_the_person_who_is_logged_in(mac: None, tmp_path: Path) -> None:
    manager, service = FakeManager(), this_service({}, tmp_path)

    service.install(manager)

    assert service.file == tmp_path / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    assert manager.told == [
        f"mkdir -p {Path.home()}/Library/Logs/Senses",
        f"launchctl enable gui/{os.getuid()}/{LABEL}",
        f"launchctl bootstrap gui/{os.getuid()} {service.file}",
    ]


def test_a_job_that_launchd_has_not_let_go_yet_is_started_a_moment_later(mac: None, tmp_path: Path) -> None:
    manager, service = FakeManager(refusals=2), this_service({}, tmp_path)
    service.file.parent.mkdir(parents=True)
    service.file.write_bytes(b"of an older version")
    waits: list[float] = []

    assert "Senses starts now" in service.install(manager, waits.append)

    assert manager.runs
    assert waits == [1.0, 1.0]
