"""End the work of a call when a person withdraws a folder that it uses."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from mcp_server.files.access import ClientFiles
from model_runtime.background import Sleep

CHECK_SECONDS = 1.0

T = TypeVar("T")


async def while_consented(files: ClientFiles, work: Callable[[], Awaitable[T]], sleep: Sleep = anyio.sleep) -> T:
    """Return what `work()` returns, unless a person withdraws a folder that it uses meanwhile.

    Work in the client's own folders is not watched: nobody withdraws those.

    Raises:
        InvalidInput: a folder was withdrawn; the work was cancelled, and its result is dropped.
        Exception: what `work` raises.
    """

    async def watch() -> None:
        while True:
            await sleep(CHECK_SECONDS)
            await files.paths.require_consent()

    try:
        async with anyio.create_task_group() as tasks:
            if files.paths.needs_consent:
                tasks.start_soon(watch)
            result = await work()
            await files.paths.require_consent()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return result
