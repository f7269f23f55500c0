"""What agents read about models."""

from dataclasses import replace

from mcp_server.calls import status_views
from model_runtime.requests import Task
from model_runtime.status import JobStatus, ModelState
from tests.fakes import FakeService, model_status


def test_a_model_that_is_not_here_comes_with_its_command_and_a_broken_one_with_its_reason() -> None:
    missing = model_status("vlm-best", Task.VISION, present=False)
    broken = model_status("mine", Task.TEXT, present=False, error="mine: /gone does not exist.")
    status = replace(FakeService().status(), models=(missing, broken))

    first, second = status_views.models(status)

    assert (first["get_it"], "error" in first) == ("senses pull vlm-best", False)
    assert ("get_it" in second, second["error"]) == (False, "mine: /gone does not exist.")


def test_a_loaded_model_says_what_it_holds_and_does_and_when_it_leaves() -> None:
    loaded = replace(
        model_status("m", Task.VISION),
        state=ModelState.STARTING,
        charged_bytes=1_234_000_000,
        active=1,
        queued=2,
        load_fraction=0.25,
        unloads_in_seconds=9.6,
        pinned=True,
        abilities=("detect",),
    )
    (view,) = status_views.models(replace(FakeService().status(), models=(loaded,)))

    assert (view["memory_gb"], view["active"], view["queued"], view["loading"]) == (1.234, 1, 2, "25%")
    assert (view["unloads_in_seconds"], view["pinned"], view["also"]) == (10, True, ["detect"])


def test_a_request_says_how_far_it_is_and_what_it_waits_for() -> None:
    waiting = JobStatus(7, "m", Task.TEXT, "editor", "queued", 2, "tokens", 1.0, 4.0, 9.0, "m is loading")
    status = replace(FakeService().status(), jobs=(waiting, replace(waiting, reason="")))

    first, second = status_views.jobs(status, [])["requests"]

    assert first == {
        "id": 7,
        "model": "m",
        "task": "text",
        "client": "editor",
        "state": "queued",
        "position": 2,
        "stage": "tokens",
        "done": 1.0,
        "total": 4.0,
        "reason": "m is loading",
    }
    assert "reason" not in second
