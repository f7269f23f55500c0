"""The official MCP client, over the shim or over HTTP. Files are passed by their paths."""

import uuid
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from tests.meaning.face import SOURCE_IMAGE, TIMESTAMPS, TimedText, Transcription

WAIT_SECONDS = 200
"""Longer than any call takes, so that no call becomes a job."""


class McpSensesClient:
    """The tools, over the transport of `client`. Senses may read `folder`."""

    features: frozenset[str] = frozenset({TIMESTAMPS, SOURCE_IMAGE})
    speech_formats: tuple[str, ...] = ("wav", "mp3", "flac")

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    async def describe(self, file: bytes, question: str) -> str:
        """Answer a question about an image file."""
        result = await self._call("describe_image", image=self._write_file(file), prompt=question, include_text="never")
        return str(result["text"])

    async def transcribe(self, file: bytes, *, word_timestamps: bool = False) -> Transcription:
        """Transcribe a recording."""
        result = await self._call(
            "transcribe", audio=self._write_file(file), timestamps="word" if word_timestamps else "segment"
        )
        segments = tuple(TimedText(one["start"], one["end"], one["text"]) for one in result["segments"])
        words = tuple(TimedText(*word) for one in result["segments"] for word in one.get("words", ()))
        return Transcription(result["text"], result["duration"], segments, words)

    async def speak(self, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Return the audio file of the speech artifact."""
        result = await self._call("speak", text=text, format=audio_format, voice=voice, speed=speed)
        return await anyio.Path(result["path"]).read_bytes()

    async def generate_image(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Return the PNG of the image artifact."""
        source_arguments = {"image": self._write_file(source), "strength": strength} if source else {}
        result = await self._call(
            "generate_image", prompt=prompt, width=width, height=height, seed=seed, **source_arguments
        )
        return await anyio.Path(result["images"][0]["path"]).read_bytes()

    def _write_file(self, file: bytes) -> str:
        path = self._folder / uuid.uuid4().hex
        path.write_bytes(file)
        return str(path)

    async def _call(self, tool: str, **arguments: object) -> dict[str, Any]:
        result = await self._client.call_tool(tool, {**arguments, "wait_seconds": WAIT_SECONDS})
        assert not result.is_error, result.content
        assert result.structured_content is not None
        return dict(result.structured_content)
