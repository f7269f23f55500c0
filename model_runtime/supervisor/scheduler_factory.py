"""Creates the scheduler that the settings describe, with a memory budget that fits this machine."""

import logging
from math import inf

from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.lanes import LANES_BY_SETTING
from model_runtime.scheduler.model_record import SchedulerLimits
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes
from model_runtime.supervisor import memory

log = logging.getLogger(__name__)


def create_scheduler(settings: Settings) -> Scheduler:
    """Return a scheduler without models; log a warning for each setting that cannot be followed."""
    budget = budget_bytes(settings)
    if budget < settings.memory_budget_bytes:
        log.warning(
            "memory.budget_gb leaves too little for other programs: the budget is %s instead", format_bytes(budget)
        )
    if settings.eviction_policy != "lru":
        log.warning(
            "memory.eviction is %r: that policy was removed; lru is used. Remove the setting.", settings.eviction_policy
        )
    return Scheduler((), budget, limits_of(settings), lanes=LANES_BY_SETTING[lanes_for(settings)])


def limits_of(settings: Settings) -> SchedulerLimits:
    """Return the limits that the settings describe."""
    return SchedulerLimits(
        queue_per_model=settings.queue_per_model,
        queue_total=settings.queue_total,
        queue_bytes=settings.max_queue_bytes or inf,
        queue_seconds=settings.queue_timeout_seconds,
        load_seconds=settings.load_timeout_seconds,
    )


def budget_bytes(settings: Settings, working_set_bytes: int = 0) -> int:
    """Return the memory budget; `working_set_bytes` is what the system recommends for its GPU, 0 until it has told."""
    total_bytes = memory.total_bytes()
    has_gpu_limit = working_set_bytes or has_apple_gpu()
    gpu_limit_bytes = memory.gpu_limit_bytes(total_bytes, working_set_bytes) if has_gpu_limit else 0
    return memory.budget_bytes(settings.memory_budget_bytes, total_bytes, gpu_limit_bytes)


def lanes_for(settings: Settings) -> str:
    """Return the key of `LANES_BY_SETTING`: as set, or for "auto" two lanes on an Apple GPU and none elsewhere."""
    if settings.gpu_lanes != "auto":
        return settings.gpu_lanes
    return "two" if has_apple_gpu() else "off"
