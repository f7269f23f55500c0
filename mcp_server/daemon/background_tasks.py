"""What runs in the daemon beside the calls; each task is started again when it fails."""

import os
from collections.abc import Awaitable, Callable
from functools import partial

import anyio.to_thread

from mcp_server.daemon.live_settings import LiveSettings
from mcp_server.daemon.power_assertion import PowerAssertion, has_idle_sleep, stay_awake
from mcp_server.daemon.service_manager import exit_when_stuck, ping_watchdog
from mcp_server.files.privacy import make_private
from mcp_server.files.retention import run_retention
from mcp_server.files.storage import watch_storage
from model_runtime.problems import Problems

BackgroundTask = Callable[[], Awaitable[object]]


def background_tasks(
    live: LiveSettings, problems: Problems, is_working: Callable[[], bool]
) -> dict[str, BackgroundTask]:
    """Return the tasks by name. `is_working` says whether a request or a job runs."""
    settings = live.current
    tasks: dict[str, BackgroundTask] = {
        "permissions": partial(anyio.to_thread.run_sync, make_private, settings.folders),
        "systemd watchdog": partial(ping_watchdog, os.environ),
        "stuck check": exit_when_stuck,
        "retention": partial(run_retention, lambda: live.current),
        "settings": live.watch,
        "storage check": partial(watch_storage, settings.folders.artifacts, problems),
    }
    if has_idle_sleep(is_enabled=settings.keep_awake):
        tasks["awake"] = partial(stay_awake, is_working, PowerAssertion())
    return tasks
