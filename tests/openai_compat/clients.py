"""What OpenAI's client cannot do: send unusual forms, and wait until the runtime has received something."""

from collections.abc import Callable, Coroutine

import anyio
import anyio.lowlevel
import httpx2

from tests.fakes import FakeService


def multipart_body(parts: list[tuple[str, bytes]]) -> bytes:
    """Return the body of a form with the boundary XX; each part is a disposition and its content."""
    encoded_parts = [
        f"--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts
    ]
    return b"".join([*encoded_parts, b"--XX--\r\n"])


async def post_form(http: httpx2.AsyncClient, path: str, fields: list[tuple[str, str]], file: bytes) -> httpx2.Response:
    """Post a form with a file as its last part. Names of fields may repeat."""
    texts = [(f'name="{name}"', value.encode()) for name, value in fields]
    body = multipart_body([*texts, ('name="file"; filename="upload"', file)])
    return await http.post(path, content=body, headers={"content-type": "multipart/form-data; boundary=XX"})


async def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true, at most 15 seconds."""
    with anyio.fail_after(15):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def wait_until_cancelled(service: FakeService) -> None:
    """Wait until the runtime has a cancelled request."""
    await wait_until(lambda: service.cancelled_requests)


async def disconnect_while_waiting(service: FakeService, call: Callable[[], Coroutine[None, None, object]]) -> None:
    """Make a call, and close its connection once the runtime has received it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await wait_until(lambda: service.requests)
        tasks.cancel_scope.cancel()
