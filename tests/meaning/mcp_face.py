"""The official MCP client, over the shim or over HTTP; files are named by their paths."""

import uuid
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from tests.meaning.face import SOURCE, TIMES, Heard, Span

PATIENCE_SECONDS = 200
"""Longer than any call takes, so that none becomes a job to be asked for later."""


class McpFace:
    """The tools, over whichever transport `client` is connected by; `folder` is one that Senses may read."""

    offers: frozenset[str] = frozenset({TIMES, SOURCE})
    speech_formats: tuple[str, ...] = ("wav", "mp3", "flac")

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    async def see(self, file: bytes, question: str) -> str:
        """Describe a file."""
        told = await self._call("describe_image", image=self._keep(file), prompt=question)
        return str(told["text"])

    async def hear(self, file: bytes, *, words: bool = False) -> Heard:
        """Transcribe a file."""
        told = await self._call("transcribe", audio=self._keep(file), timestamps="word" if words else "segment")
        segments = tuple(Span(one["start"], one["end"], one["text"]) for one in told["segments"])
        said = tuple(Span(*word) for one in told["segments"] for word in one.get("words", ()))
        return Heard(told["text"], told["duration"], segments, said)

    async def say(self, text: str, *, form: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Speak into an artifact."""
        told = await self._call("speak", text=text, format=form, voice=voice, speed=speed)
        return await anyio.Path(told["path"]).read_bytes()

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Draw an artifact."""
        start = {"image": self._keep(source), "strength": strength} if source else {}
        told = await self._call("generate_image", prompt=prompt, width=width, height=height, seed=seed, **start)
        return await anyio.Path(told["images"][0]["path"]).read_bytes()

    def _keep(self, file: bytes) -> str:
        path = self._folder / uuid.uuid4().hex
        path.write_bytes(file)
        return str(path)

    async def _call(self, tool: str, **arguments: object) -> dict[str, Any]:
        result = await self._client.call_tool(tool, {**arguments, "wait_seconds": PATIENCE_SECONDS})
        assert not result.is_error, result.content
        assert result.structured_content is not None
        return dict(result.structured_content)
