"""`senses status`: the text that it makes of a daemon's status."""

from itertools import pairwise
from typing import Any

import pytest

from mcp_server.cli.control import JOB_HEADER, MODEL_HEADER
from mcp_server.cli.status import status_text
from mcp_server.daemon.lock import DaemonInfo
from model_runtime.settings import Settings
from tests.model_runtime.library import MEGABYTE

IDLE = {"name": "m", "state": "ready", "charged_bytes": 20 * MEGABYTE, "active": 0, "queued": 0, "pinned": False}


INFO = DaemonInfo(4711, "1.2", "http://127.0.0.1:7367", auto=True, started=0)
JOB = {"id": 7, "model": "m", "state": "running", "stage": "tokens", "done": 3.0, "total": 0.0, "client": "editor"}


@pytest.fixture
def shown(settings: Settings) -> Any:
    """Return a function that returns the text for a status."""

    def text_of(**changes: Any) -> str:
        status = {
            "uptime_seconds": 61,
            "memory": {"charged_bytes": 20 * MEGABYTE, "budget_bytes": 1000 * MEGABYTE},
            "models": [],
            "jobs": [],
        }
        return status_text(INFO, status | changes, settings)

    return text_of


def test_an_idle_daemon_says_where_it_is_and_what_it_holds(shown: Any) -> None:
    text = shown()

    assert "1.2, process 4711, up 1 min 1 s" in text
    assert "http://127.0.0.1:7367" in text
    assert "20 MB used of 1.0 GB" in text
    assert "No model is in memory; each loads when it is used." in text
    assert text.endswith("No request waits or runs.")
    assert "Problems" not in text


def row_after(header: tuple[str, ...], lines: list[str]) -> str:
    return next(row for line, row in pairwise(lines) if line.split() == " ".join(header).split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unloads_in_seconds": None}, "idle"),
        ({"unloads_in_seconds": 299.6}, "idle, unloads in 5 min 0 s"),
        ({"unloads_in_seconds": 3600}, "idle, unloads in 1 h 0 min"),
        ({"unloads_in_seconds": 59}, "idle, unloads in 59 s"),
        ({"active": 1}, "1 running, 0 waiting"),
        ({"queued": 2}, "0 running, 2 waiting"),
        ({"state": "backoff", "error": "the file is broken"}, "the file is broken"),
    ],
)
def test_a_model_says_what_it_does(shown: Any, changes: dict[str, Any], words: str) -> None:
    absent = {"name": "gone", "state": "absent"}
    lines = shown(models=[IDLE | {"unloads_in_seconds": 1} | changes, absent]).splitlines()

    assert row_after(MODEL_HEADER, lines).split(maxsplit=4) == ["m", changes.get("state", "ready"), "20", "MB", words]
    assert not any("gone" in line for line in lines)


def test_requests_and_problems_are_listed(shown: Any) -> None:
    lines = shown(jobs=[JOB | {"reason": "", "age_seconds": 61}], problems=["The disk is full."]).splitlines()

    assert row_after(JOB_HEADER, lines).split() == [
        "7",
        "m",
        "running",
        "3/0",
        "tokens",
        "editor",
        "1",
        "min",
        "1",
        "s",
    ]
    assert lines[lines.index("Problems:") + 1].strip() == "The disk is full."
