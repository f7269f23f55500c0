"""Noticing that a client has gone, so that nobody computes for nobody."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyio import CancelScope, create_task_group
from anyio.abc import TaskGroup
from starlette.types import Receive

from model_runtime.errors import Cancelled


class ClientDisconnected(Cancelled):
    """The client closed the connection, or stopped reading."""


@asynccontextmanager
async def cancel_on_disconnect(receive: Receive) -> AsyncGenerator[None]:
    """Cancel the block as soon as the client closes the connection. The request's body must have been read.

    Errors of the block pass unchanged.

    Raises:
        ClientGone: the client went away.
    """
    async with unwrapped_task_group() as tasks:
        tasks.start_soon(_wait_for_disconnect, receive, tasks.cancel_scope)
        yield
        tasks.cancel_scope.cancel()
        return
    raise ClientDisconnected("The client closed the connection.")


async def _wait_for_disconnect(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


@asynccontextmanager
async def unwrapped_task_group() -> AsyncGenerator[TaskGroup]:
    """A task group whose only error arrives bare instead of in a group."""
    try:
        async with create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None
