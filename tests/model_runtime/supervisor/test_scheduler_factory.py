from dataclasses import replace

import pytest

from model_runtime.scheduler.eviction import least_recently_used
from model_runtime.scheduler.lanes import EXCLUSIVE_LANE, NO_LANES, TWO_LANES
from model_runtime.settings import Settings
from model_runtime.supervisor.scheduler_factory import create_scheduler


def test_the_removed_cost_policy_is_logged_and_lru_is_used(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = create_scheduler(replace(settings, eviction_policy="cost"))

    assert scheduler.policy is least_recently_used
    assert "memory.eviction is 'cost': that policy was removed; lru is used." in caplog.text


def test_the_policy_that_exists_is_not_logged(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    create_scheduler(settings)

    assert "memory.eviction" not in caplog.text


def test_each_setting_of_the_gpu_lanes_has_its_lanes(settings: Settings) -> None:
    lanes = [create_scheduler(replace(settings, gpu_lanes=name)).lanes for name in ("two", "exclusive", "off")]

    assert lanes == [TWO_LANES, EXCLUSIVE_LANE, NO_LANES]
