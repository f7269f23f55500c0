"""What agents read about models."""

from dataclasses import replace

from mcp_server.calls import status_views
from model_runtime.requests import Task
from tests.fakes import FakeService, model_status


def test_a_model_that_is_not_here_comes_with_its_command_and_a_broken_one_with_its_reason() -> None:
    missing = model_status("vlm-best", Task.VISION, present=False)
    broken = model_status("mine", Task.TEXT, present=False, error="mine: /gone does not exist.")
    status = replace(FakeService().status(), models=(missing, broken))

    first, second = status_views.models(status)

    assert (first["get_it"], "error" in first) == ("senses pull vlm-best", False)
    assert ("get_it" in second, second["error"]) == (False, "mine: /gone does not exist.")
