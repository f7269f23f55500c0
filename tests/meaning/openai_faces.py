"""OpenAI's own client, asking for whole answers and for streams."""

import base64
import json
from typing import Any

from openai import AsyncOpenAI

from tests.meaning.face import TIMES, Heard, Span


class OpenAIFace:
    """Whole answers; `Any`, since the client's overloads want literals."""

    offers: frozenset[str] = frozenset({TIMES})
    speech_formats: tuple[str, ...] = ("mp3", "opus", "aac", "flac", "wav", "pcm")

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client: Any = client

    async def see(self, file: bytes, question: str) -> str:
        """Ask about a picture that comes as a data: URL of no telling type."""
        answer = await self._client.chat.completions.create(**_chat(file, question))
        return str(answer.choices[0].message.content)

    async def hear(self, file: bytes, *, words: bool = False) -> Heard:
        """Ask for all that is known of a recording."""
        wanted = ["segment", "word"] if words else ["segment"]
        told = await self._client.audio.transcriptions.create(
            model="whisper-1", file=("upload", file), response_format="verbose_json", timestamp_granularities=wanted
        )
        segments = tuple(Span(one.start, one.end, one.text.strip()) for one in told.segments)
        return Heard(told.text, told.duration, segments, tuple(Span(w.start, w.end, w.word) for w in told.words or ()))

    async def say(self, text: str, *, form: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Speak into a file."""
        spoken = await self._client.audio.speech.create(**_speech(text, form, voice, speed))
        return bytes(spoken.content)

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Draw; there is no drawing from pictures here."""
        drawn = await self._client.images.generate(
            prompt=prompt, size=f"{width}x{height}", response_format="b64_json", extra_body={"seed": seed}
        )
        return base64.b64decode(drawn.data[0].b64_json)


class OpenAIStreamFace(OpenAIFace):
    """The same, as streams, which tell no times."""

    offers: frozenset[str] = frozenset()

    async def see(self, file: bytes, question: str) -> str:
        """Put the pieces of an answer together."""
        chunks = await self._client.chat.completions.create(**_chat(file, question), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    async def hear(self, file: bytes, *, words: bool = False) -> Heard:
        """Put the pieces of a transcript together; the end says the same."""
        events = await self._client.audio.transcriptions.create(model="whisper-1", file=("upload", file), stream=True)
        happened = [event async for event in events]
        text = "".join(event.delta for event in happened if event.type == "transcript.text.delta")
        assert happened[-1].text == text.strip()
        return Heard(text)

    async def say(self, text: str, *, form: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Put the pieces of a file together, which come as server-sent events."""
        asked = _speech(text, form, voice, speed) | {"stream_format": "sse"}
        async with self._client.audio.speech.with_streaming_response.create(**asked) as response:
            lines = [line async for line in response.iter_lines()]
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        return b"".join(base64.b64decode(event["audio"]) for event in events if "audio" in event)

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Draw with a preview on the way."""
        stream = await self._client.images.generate(
            prompt=prompt, size=f"{width}x{height}", stream=True, partial_images=1, extra_body={"seed": seed}
        )
        events = [event async for event in stream]
        assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
        return base64.b64decode(events[-1].b64_json)


def _chat(file: bytes, question: str) -> dict[str, Any]:
    url = f"data:application/octet-stream;base64,{base64.b64encode(file).decode()}"
    parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": parts}], "temperature": 0}


def _speech(text: str, form: str, voice: str, speed: float) -> dict[str, Any]:
    return {"model": "tts-1", "input": text, "voice": voice or "alloy", "response_format": form, "speed": speed}
