"""`senses history`, in a terminal and in a pipe."""

import json
import time

import pytest

from mcp_server.cli.history import event_text, history_text
from model_runtime.history.events import LoadEnded, ModelUnloaded, RequestEnded
from model_runtime.requests import Task
from tests.mcp_server.cli.conftest import Instance
from tests.mcp_server.cli.terminal import in_pipe, in_terminal

SILENT = {"requests": 0}


def record(instance: Instance) -> None:
    """A look that succeeded, a drawing that did not, a load and an eviction; one of them hours ago."""
    now = time.time()
    for event in (
        RequestEnded(now - 7000, "vlm-best", "Claude Code", Task.VISION, "ok", 0.0, 0.0, 2.0, 0.5, 60.0),
        LoadEnded(now - 600, "image-gen", 3.0),
        RequestEnded(now - 500, "image-gen", "Cursor", Task.IMAGE, "ok", 1.0, 8.0, 12.0, 21.0, 1.0),
        RequestEnded(now - 400, "image-gen", "Cursor", Task.IMAGE, "queue_timeout", 120.0, 0.0, 0.0),
        ModelUnloaded(now - 300, "vlm-best", "evicted for image-gen", "needed 6.1 GB, 2.3 GB free"),
    ):
        instance.service.history.record(event)


@pytest.mark.promise("cli:history")
async def test_the_last_hour_is_told_by_model_and_by_client_with_the_last_events(instance: Instance) -> None:
    empty = await in_terminal("history")
    record(instance)

    hour = await in_terminal("history")
    day = await in_pipe("history", "--day", "-n", "1")
    as_json = await in_pipe("history", "--day", "--json")

    assert empty.text.strip() == "In the last hour nothing happened."
    lines = [" ".join(line.split()) for line in hour.text.splitlines()]
    assert lines[0] == "In the last hour:"
    assert any(line.startswith("image-gen 2 1 ") for line in lines)
    assert any(line.startswith("for Cursor 2 1 ") for line in lines)
    assert any(line.endswith("image-gen unloaded vlm-best: needed 6.1 GB, 2.3 GB free") for line in lines)
    assert any("Cursor · image-gen" in line and line.endswith("queue_timeout") for line in lines)
    assert "Claude Code" in day.text
    assert len(day.text.partition("Last:")[2].strip().splitlines()) == 1
    assert json.loads(as_json.text)["total"]["requests"] == 3


async def test_without_a_daemon_it_says_how_one_is_started(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_HOME", str(tmp_path))

    told = await in_pipe("history")

    assert told.status == 1
    assert "Senses is not running." in told.stderr


def test_what_was_not_measured_is_left_out_of_an_event() -> None:
    event = {
        "kind": "request",
        "client": "",
        "model": "m",
        "seconds": 1.0,
        "speed": None,
        "error": None,
        "result": "text",
    }

    assert event_text(event) == "m · 1 s · text"
    assert (
        history_text({"range": "day", "total": SILENT, "activity": []}, 5, str) == "In the last day nothing happened."
    )
