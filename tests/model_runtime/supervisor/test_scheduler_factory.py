from dataclasses import replace

import pytest

from model_runtime.scheduler.eviction import least_recently_used
from model_runtime.settings import Settings
from model_runtime.supervisor.scheduler_factory import create_scheduler


def test_the_cost_policy_of_before_is_said_to_be_removed_and_the_least_recently_used_model_leaves(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = create_scheduler(replace(settings, eviction_policy="cost"))

    assert scheduler.policy is least_recently_used
    assert "memory.eviction is 'cost': that policy was removed, lru is used." in caplog.text


def test_nothing_is_said_about_the_policy_that_is_there(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    create_scheduler(settings)

    assert "memory.eviction" not in caplog.text
