"""End the work of a call when a person withdraws a folder that it uses."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio
from mcp_types import CallToolResult

from mcp_server.calls.jobs import JobFunction, ToolJob
from mcp_server.files.access import ClientFiles
from model_runtime.background import Sleep

CHECK_SECONDS = 1.0

T = TypeVar("T")


def watched(files: ClientFiles, function: JobFunction) -> JobFunction:
    """Return a job function that ends when a person withdraws a folder that it uses.

    Work in the client's own folders is not watched: nobody withdraws those.
    """
    return partial(_watch, files, function) if files.paths.needs_consent else function


async def _watch(files: ClientFiles, function: JobFunction, job: ToolJob) -> CallToolResult:
    return await while_consented(files, partial(function, job))


async def while_consented(files: ClientFiles, work: Callable[[], Awaitable[T]], sleep: Sleep = anyio.sleep) -> T:
    """Return what `work()` returns, unless a person withdraws a folder that it uses meanwhile.

    Raises:
        InvalidInput: a folder was withdrawn; the work was cancelled, and its result is dropped.
        Exception: what `work` raises.
    """

    async def watch() -> None:
        while True:
            await sleep(CHECK_SECONDS)
            await files.paths.require_consent()

    await files.paths.require_consent()  # a person may have been asked for something else since the look
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            result = await work()
            await files.paths.require_consent()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return result
