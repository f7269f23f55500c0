"""What runs in the daemon beside the calls; each task is started again when it fails."""

import os
from collections.abc import Awaitable, Callable
from functools import partial

import anyio.to_thread

from mcp_server.daemon.power_assertion import PowerAssertion, has_idle_sleep, stay_awake
from mcp_server.daemon.service_manager import exit_when_stuck, ping_watchdog
from mcp_server.files import storage
from mcp_server.files.privacy import make_private
from mcp_server.files.retention import run_retention
from model_runtime.problems import Problems
from model_runtime.settings import Settings

BackgroundTask = Callable[[], Awaitable[object]]


def background_tasks(
    settings: Settings, storage_warning: str, problems: Problems, is_working: Callable[[], bool]
) -> dict[str, BackgroundTask]:
    """Return the tasks by name. `storage_warning` says that results are not kept; then nothing watches or deletes them.

    `is_working` says whether a request or a job runs.
    """
    tasks: dict[str, BackgroundTask] = {
        "permissions": partial(anyio.to_thread.run_sync, make_private, settings.folders),
        "systemd watchdog": partial(ping_watchdog, os.environ),
        "stuck check": exit_when_stuck,
    }
    if has_idle_sleep(is_enabled=settings.keep_awake):
        tasks["awake"] = partial(stay_awake, is_working, PowerAssertion())
    if storage_warning:
        problems.report(storage.PROBLEM, storage_warning)
        return tasks
    return tasks | {
        "retention": partial(run_retention, settings),
        "storage check": partial(storage.watch_storage, settings.folders.artifacts, problems),
    }
