"""The clients: one over MCP, through the shim, and two over OpenAI's API."""

import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import anyio
import openai
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import CONNECTION_CLOSED, CallToolResult, TextContent

from benchmarks.instance import Instance
from tests.soak.media import MediaFiles
from tests.soak.tally import SHIM_ENDED

SPOKEN_SENTENCE = "Draw a red circle above a blue square. "
ERROR_CODE_PATTERN = re.compile(r"\[code: (\w+)")
CUT_OFF = "cut off"
"""The outcome of a call over HTTP whose connection was closed, as it is when the daemon ends."""
NamedCall = tuple[str, Callable[[], Awaitable[str]]]
"""A call's name, and the function that makes it and returns its outcome: "ok", an error's code or "cut off"."""


class SoakClient(Protocol):
    """A client."""

    def calls(self, *, is_long: bool, streams: bool) -> list[NamedCall]:
        """Return one call of every kind, streamed if requested and supported."""
        ...


OpenClient = Callable[[Instance, MediaFiles], AbstractAsyncContextManager[SoakClient]]


def is_closed_connection(error: BaseException) -> bool:
    """Return whether an error, or every error of a group, says that the connection was closed."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_closed_connection(inner) for inner in error.exceptions)
    return isinstance(error, MCPError) and error.error.code == CONNECTION_CLOSED


class McpSoakClient:
    """A client of the four tools."""

    def __init__(self, client: Client, media: MediaFiles) -> None:
        self._client = client
        self._media = media

    def calls(self, *, is_long: bool, streams: bool) -> list[NamedCall]:
        """Return one call of every tool."""
        sound, times = recording_and_count(self._media, is_long=is_long)
        drawn = {"prompt": "a red circle", "width": 128, "height": 128, "steps": times}
        return [
            (
                "describe_image",
                lambda: self._call("describe_image", image=str(self._media.picture), include_text="never"),
            ),
            ("transcribe", lambda: self._call("transcribe", audio=str(sound))),
            ("speak", lambda: self._call("speak", text=SPOKEN_SENTENCE * times)),
            ("generate_image", lambda: self._call("generate_image", **drawn)),
        ]

    async def _call(self, tool: str, **arguments: Any) -> str:
        try:
            return await self._outcome(tool, arguments)
        except MCPError as error:
            return SHIM_ENDED if is_closed_connection(error) else str(error)

    async def _outcome(self, tool: str, arguments: dict[str, Any]) -> str:
        result = await self._client.call_tool(tool, arguments)
        while not result.is_error and (result.structured_content or {}).get("status") == "running":
            job = (result.structured_content or {})["job_id"]
            result = await self._client.call_tool("get_job", {"job_id": job, "wait_seconds": 20})
        return outcome_of_result(result)


def recording_and_count(media: MediaFiles, *, is_long: bool) -> tuple[Path, int]:
    """Return a recording, and the number of sentences or steps of other calls."""
    return (media.long, 8) if is_long else (media.short, 1)


def outcome_of_result(result: CallToolResult) -> str:
    """Return "ok", or the code of a tool's error."""
    if not result.is_error:
        return "ok"
    text = next((block.text for block in result.content if isinstance(block, TextContent)), "")
    found = ERROR_CODE_PATTERN.search(text)
    return found[1] if found else text


@asynccontextmanager
async def open_mcp_client(instance: Instance, media: MediaFiles) -> AsyncGenerator[SoakClient]:
    """Yield a client that talks to the shim."""
    shim = str(Path(sys.executable).with_name("senses-mcp"))
    arguments = [str(media.picture.parent), str(media.short.parent)]
    async with Client(StdioServerParameters(command=shim, args=arguments, env=instance.environ)) as client:
        yield McpSoakClient(client, media)


class OpenAISoakClient:
    """A client of OpenAI's SDK without retries."""

    def __init__(self, client: openai.AsyncOpenAI, media: MediaFiles) -> None:
        self._client: Any = client  # its overloads require literals
        self._media = media

    def calls(self, *, is_long: bool, streams: bool) -> list[NamedCall]:
        """Return one call of every endpoint."""
        sound, times = recording_and_count(self._media, is_long=is_long)
        audio, drawn = self._client.audio, {"prompt": "a star", "size": "128x128", "stream": streams}
        return [
            (
                "chat",
                lambda: self._outcome(self._client.chat.completions.create(**self._chat_fields(), stream=streams)),
            ),
            ("transcription", lambda: self._outcome(_transcribe(audio, sound, streams))),
            (
                "speech",
                lambda: self._outcome(audio.speech.create(model="tts-1", voice="alloy", input=SPOKEN_SENTENCE * times)),
            ),
            ("picture", lambda: self._outcome(self._client.images.generate(**drawn, extra_body={"steps": times}))),
            (
                "upload",
                lambda: _abandon_upload(str(self._client.base_url.host), int(self._client.base_url.port), sound),
            ),
        ]

    def _chat_fields(self) -> dict[str, Any]:
        picture = {"type": "image_url", "image_url": {"url": self._media.picture_url}}
        content = [picture, {"type": "text", "text": "Describe this image."}]
        return {"model": "gpt-4o", "messages": [{"role": "user", "content": content}]}

    async def _outcome(self, answer: Awaitable[Any]) -> str:
        try:
            result = await answer
            if isinstance(result, openai.AsyncStream):
                async with result as events:
                    async for _ in events:
                        pass
        except openai.APIConnectionError:
            return CUT_OFF
        except openai.APIError as error:
            return error.code or str(error)
        return "ok"


async def _abandon_upload(host: str, port: int, recording: Path) -> str:
    """Send the first half of an upload and close the connection; that counts as answered."""
    body = await anyio.Path(recording).read_bytes()
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        async with await anyio.connect_tcp(host, port) as connection:
            await connection.send(head.encode() + body[: len(body) // 2])
    except (OSError, anyio.BrokenResourceError):
        return CUT_OFF
    return "ok"


async def _transcribe(audio: Any, recording: Path, stream: bool) -> Any:
    return await audio.transcriptions.create(model="whisper-1", file=recording, stream=stream)


@asynccontextmanager
async def open_openai_client(instance: Instance, media: MediaFiles) -> AsyncGenerator[SoakClient]:
    """Yield a client of OpenAI's SDK."""
    async with openai.AsyncOpenAI(base_url=f"{instance.url}/v1", api_key="none", max_retries=0) as client:
        yield OpenAISoakClient(client, media)
