"""OpenAI's client, with whole answers and with streams."""

import base64
import json
from typing import Any

from openai import AsyncOpenAI

from tests.meaning.face import TIMESTAMPS, TimedText, Transcription


class OpenAISensesClient:
    """Whole answers. The client is `Any`, because its overloads require literals."""

    features: frozenset[str] = frozenset({TIMESTAMPS})
    speech_formats: tuple[str, ...] = ("mp3", "opus", "aac", "flac", "wav", "pcm")

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client: Any = client

    async def describe(self, file: bytes, question: str) -> str:
        """Answer a question about an image file, sent as a data: URL without its type."""
        answer = await self._client.chat.completions.create(**_chat_fields(file, question))
        return str(answer.choices[0].message.content)

    async def transcribe(self, file: bytes, *, word_timestamps: bool = False) -> Transcription:
        """Transcribe a recording with all timestamps."""
        granularities = ["segment", "word"] if word_timestamps else ["segment"]
        transcription = await self._client.audio.transcriptions.create(
            model="whisper-1",
            file=("upload", file),
            response_format="verbose_json",
            timestamp_granularities=granularities,
        )
        segments = tuple(TimedText(one.start, one.end, one.text.strip()) for one in transcription.segments)
        return Transcription(
            transcription.text,
            transcription.duration,
            segments,
            tuple(TimedText(w.start, w.end, w.word) for w in transcription.words or ()),
        )

    async def speak(self, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Return an audio file of a text."""
        response = await self._client.audio.speech.create(**_speech_fields(text, audio_format, voice, speed))
        return bytes(response.content)

    async def generate_image(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Return a generated PNG. This API does not generate from images."""
        response = await self._client.images.generate(
            prompt=prompt, size=f"{width}x{height}", response_format="b64_json", extra_body={"seed": seed}
        )
        return base64.b64decode(response.data[0].b64_json)


class OpenAIStreamingSensesClient(OpenAISensesClient):
    """The same as streams, which have no timestamps."""

    features: frozenset[str] = frozenset()

    async def describe(self, file: bytes, question: str) -> str:
        """Join the deltas of an answer."""
        chunks = await self._client.chat.completions.create(**_chat_fields(file, question), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    async def transcribe(self, file: bytes, *, word_timestamps: bool = False) -> Transcription:
        """Join the deltas of a transcript, and compare them with its last event."""
        events = await self._client.audio.transcriptions.create(model="whisper-1", file=("upload", file), stream=True)
        received = [event async for event in events]
        text = "".join(event.delta for event in received if event.type == "transcript.text.delta")
        assert received[-1].text == text.strip()
        return Transcription(text)

    async def speak(self, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Join the server-sent events of an audio file."""
        fields = _speech_fields(text, audio_format, voice, speed) | {"stream_format": "sse"}
        async with self._client.audio.speech.with_streaming_response.create(**fields) as response:
            lines = [line async for line in response.iter_lines()]
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        return b"".join(base64.b64decode(event["audio"]) for event in events if "audio" in event)

    async def generate_image(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Return a PNG that is generated with one preview."""
        stream = await self._client.images.generate(
            prompt=prompt, size=f"{width}x{height}", stream=True, partial_images=1, extra_body={"seed": seed}
        )
        events = [event async for event in stream]
        assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
        return base64.b64decode(events[-1].b64_json)


def _chat_fields(file: bytes, question: str) -> dict[str, Any]:
    url = f"data:application/octet-stream;base64,{base64.b64encode(file).decode()}"
    parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": parts}], "temperature": 0}


def _speech_fields(text: str, audio_format: str, voice: str, speed: float) -> dict[str, Any]:
    return {"model": "tts-1", "input": text, "voice": voice or "alloy", "response_format": audio_format, "speed": speed}
