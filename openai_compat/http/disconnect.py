"""Cancels a request's work when its client disconnects."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyio import CancelScope, create_task_group
from anyio.abc import TaskGroup
from starlette.types import Receive

from model_runtime.errors import Cancelled


class ClientDisconnected(Cancelled):
    """The client closed the connection or stopped reading."""


@asynccontextmanager
async def cancel_on_disconnect(receive: Receive) -> AsyncGenerator[None]:
    """Cancel the block when the client closes the connection.

    Read the request's body first: `receive` is drained here. Exceptions of the block pass through unwrapped.

    Raises:
        ClientDisconnected: the client closed the connection.
    """
    async with unwrapped_task_group() as tasks:
        tasks.start_soon(_wait_for_disconnect, receive, tasks.cancel_scope)
        yield
        tasks.cancel_scope.cancel()
        return
    # reached only if the disconnect cancelled the scope, which ends the block without an exception
    raise ClientDisconnected("The client closed the connection.")


async def _wait_for_disconnect(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass
    scope.cancel()


@asynccontextmanager
async def unwrapped_task_group() -> AsyncGenerator[TaskGroup]:
    """Yield a task group that raises a single exception as it is, without an exception group around it."""
    try:
        async with create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None
