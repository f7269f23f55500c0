"""What agents read about models."""

from dataclasses import replace

from mcp_server.calls import status_views
from mcp_server.launcher.commands import absolute_senses_command
from model_runtime.requests import Task
from model_runtime.status import JobStatus, ModelState
from tests.fakes import FakeService, model_status


def test_a_model_that_is_not_here_comes_with_its_command_and_a_broken_one_with_its_reason() -> None:
    missing = model_status("vlm-best", Task.VISION, present=False)
    broken = model_status("mine", Task.TEXT, present=False, error="mine: /gone does not exist.")
    status = replace(FakeService().status(), models=(missing, broken))

    first, second = status_views.models(status)

    assert (first["get_it"], "error" in first) == (f"{absolute_senses_command()} pull vlm-best", False)
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


def test_a_model_shows_these_fields_and_of_its_flags_those_that_are_set() -> None:
    plain = model_status("m", Task.SPEECH, starter=False, default=False, weights_bytes=2_000_000_000)
    marked = replace(plain, starter=True, default=True, pinned=True)

    view, marked_view = status_views.models(replace(FakeService().status(), models=(plain, marked)))

    assert view == {
        "name": "m",
        "task": "speech",
        "description": "a fake",
        "state": "absent",
        "downloaded": True,
        "size_gb": 2.0,
    }
    assert marked_view == view | {"starter": True, "default": True, "pinned": True}


def test_memory_is_in_gigabytes_and_that_of_the_daemon_in_megabytes() -> None:
    assert status_views.memory(FakeService().status()) == {
        "budget_gb": 8.0,
        "charged_gb": 0.0,
        "used_gb": 0.0,
        "available_gb": 6.0,
        "daemon_mb": 70,
    }


def test_only_models_with_voices_or_languages_are_listed_as_speaking() -> None:
    voiced = model_status("voiced", Task.SPEECH, voices=("a",), languages=())
    spoken = model_status("spoken", Task.SPEECH, voices=(), languages=("en",))
    silent = model_status("silent", Task.IMAGE)

    assert status_views.voices(replace(FakeService().status(), models=(voiced, spoken, silent))) == {
        "voiced": {"voices": ["a"], "languages": []},
        "spoken": {"voices": [], "languages": ["en"]},
    }
