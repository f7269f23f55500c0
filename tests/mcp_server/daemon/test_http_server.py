"""The HTTP server: how it starts and ends, and its limits."""

from typing import Any

import anyio

from mcp_server.daemon import http_server
from mcp_server.daemon.descriptors import DescriptorReserve
from mcp_server.daemon.http_server import HttpServer, bind_sockets
from model_runtime.problems import Problems


class LifespanApp:
    """An application that keeps what it hears of the server's start and end."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hear both."""
        for _ in range(2):
            message = await receive()
            self.heard.append(message["type"])
            await send({"type": f"{message['type']}.complete"})


async def test_the_application_hears_of_the_start_before_the_first_request_and_of_the_end() -> None:
    app = LifespanApp()
    server = HttpServer(app, bind_sockets("127.0.0.1", 0), DescriptorReserve(100_000), Problems())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_until_stopped)
            await server.ready.wait()
            before = list(app.heard)
            server.stop()
            await server.stopped.wait()

    assert before == ["lifespan.startup"]
    assert app.heard == ["lifespan.startup", "lifespan.shutdown"]


def test_the_limits_of_http_are_these() -> None:
    assert (http_server.FIRST_BYTE_SECONDS, http_server.GRACEFUL_SHUTDOWN_SECONDS) == (30, 2)
    assert (http_server.MAX_BODY_BYTES, http_server.MAX_SESSIONS) == (67_108_864, 256)
