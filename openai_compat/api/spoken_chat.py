"""Chats whose answer is spoken, OpenAI's `modalities: ["text", "audio"]`: whole, or as a stream that begins to speak early."""

import base64
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread

from model_runtime.errors import InvalidInput
from model_runtime.events import (
    AudioChunk,
    ChatResult,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    expect_result,
)
from model_runtime.media.speech_encoder import SpeechEncoder, encode_speech
from openai_compat.api.chat_body import ContentPart, MessageBody
from openai_compat.api.chat_completion import ChatCompletionBuilder, choice_json, delta_json, usage_json
from openai_compat.api.generation import senses_fields
from openai_compat.api.spoken_text import NOTHING_SPOKEN, SPOKEN, Narration, Narrator, open_encoder
from openai_compat.http.sse import DONE_EVENT, Chunk

TTL_SECONDS = 3600
"""How long a later message may name a spoken answer instead of repeating it."""
CAPACITY_CHARACTERS = 10_000_000
ENCODER_FORMATS: Mapping[str, str] = {"pcm16": "pcm"}
"""OpenAI's name of a format → the encoder's, where they differ."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a spoken answer. `expires_at` is in seconds of the store's clock."""

    text: str
    expires_at: int


class TranscriptStore:
    """Keeps the texts of spoken answers under their ids, in memory, for an hour. New ones evict the oldest."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, capacity_characters: int = CAPACITY_CHARACTERS
    ) -> None:
        self._clock = clock
        self._capacity_characters = capacity_characters
        self._transcripts: dict[str, Transcript] = {}

    def put(self, id_: str, text: str) -> Transcript:
        """Keep a text."""
        self._evict(len(text))
        self._transcripts[id_] = Transcript(text, int(self._clock()) + TTL_SECONDS)
        return self._transcripts[id_]

    def recall(self, message: MessageBody, *, param: str) -> MessageBody:
        """Return a message with the text of the spoken answer that it names by its id.

        Raises:
            InvalidInput: there is none of this id.
        """
        if not message.audio.id or message.content:
            return message
        self._evict(0)
        transcript = self._transcripts.get(message.audio.id)
        if transcript is None:
            raise InvalidInput(
                f"{param} names the spoken answer {message.audio.id[:60]!r}, which is not kept here any more. "
                "Send its transcript as content.",
                param=param,
            )
        return message.model_copy(update={"content": [ContentPart(text=transcript.text)]})

    def _evict(self, needed_characters: int) -> None:
        now = self._clock()
        used = sum(len(transcript.text) for transcript in self._transcripts.values())
        for id_, transcript in list(self._transcripts.items()):  # oldest first: a dict keeps the order of insertion
            if transcript.expires_at <= now or used + needed_characters > self._capacity_characters:
                used -= len(self._transcripts.pop(id_).text)


@dataclass(frozen=True, slots=True)
class SpokenChatRun:
    """Runs one chat and speaks its answer. `warnings` come before those of the models."""

    chat_events: AsyncGenerator[Event]
    narrator: Narrator
    audio_format: str
    transcripts: TranscriptStore
    warnings: tuple[str, ...] = ()
    audio_id: str = field(default_factory=lambda: f"audio_{secrets.token_hex(12)}")

    async def completion(self, builder: ChatCompletionBuilder) -> dict[str, Any]:
        """Run the chat and return the completion, with the whole recording in its message."""
        narration, pcm, written = Narration(), bytearray(), None
        async with aclosing(self.narrator.narrate(self.chat_events)) as events:
            async for index, event in events:
                if index != SPOKEN:
                    written = event
                    continue
                narration.add(event)
                if isinstance(event, AudioChunk):
                    pcm += event.pcm
        finished, result = expect_result(written, ChatResult)
        choice = choice_json(0, result)
        if result.text:
            recording = await to_thread.run_sync(
                encode_speech, bytes(pcm), narration.sample_rate or 24_000, self._encoder_format
            )
            audio = {"id": self.audio_id, "data": _base64(recording), "transcript": result.text, **self._keep(result)}
            choice["message"] |= {"content": None, "audio": audio}
        return builder.completion([choice], usage_json([result]), senses=self._senses(finished, result, narration))

    async def chunks(self, builder: ChatCompletionBuilder, *, include_usage: bool) -> AsyncGenerator[Chunk]:
        """Run the chat and yield chunks: the transcript as it is written, the sound as it is spoken."""
        narration, written = Narration(), None
        encoder: SpeechEncoder | None = None

        def audio_chunk(**fields: Any) -> bytes:
            return builder.delta_chunk(0, {"audio": fields}, include_usage=include_usage)

        async with aclosing(self.narrator.narrate(self.chat_events)) as events:
            async for index, event in events:
                if index != SPOKEN:
                    written = event
                    if isinstance(event, TextDelta):
                        yield audio_chunk(id=self.audio_id, transcript=event.text)
                    elif isinstance(event, ReasoningDelta | ToolCallDelta):
                        yield builder.delta_chunk(0, delta_json(event), include_usage=include_usage)
                    continue
                narration.add(event)
                if isinstance(event, AudioChunk):
                    encoder = encoder or await open_encoder(self._encoder_format, event.sample_rate)
                    if encoded := await to_thread.run_sync(encoder.feed, event.pcm):
                        yield audio_chunk(id=self.audio_id, data=_base64(encoded))
        finished, result = expect_result(written, ChatResult)
        if encoder and (encoded := await to_thread.run_sync(encoder.close)):
            yield audio_chunk(id=self.audio_id, data=_base64(encoded))
        if result.text:
            yield audio_chunk(**self._keep(result))
        senses = self._senses(finished, result, narration)
        yield builder.last_chunk(0, result, senses, include_usage=include_usage)
        if include_usage:
            yield builder.chunk([], usage=usage_json([result]))
        yield DONE_EVENT

    @property
    def _encoder_format(self) -> str:
        return ENCODER_FORMATS.get(self.audio_format, self.audio_format)

    def _keep(self, result: ChatResult) -> dict[str, int]:
        return {"expires_at": self.transcripts.put(self.audio_id, result.text).expires_at}

    def _senses(self, finished: Finished, result: ChatResult, narration: Narration) -> dict[str, Any]:
        nothing_spoken = [NOTHING_SPOKEN] if result.text and not narration.sample_rate else []
        fields = senses_fields(finished, self.warnings)
        fields["warnings"] += [*narration.warnings, *nothing_spoken]
        return fields | ({"speech": speech} if (speech := narration.senses()) else {})


def recall_spoken(messages: Sequence[MessageBody], transcripts: TranscriptStore) -> list[MessageBody]:
    """Return messages with the texts of the spoken answers that they name by their ids.

    Raises:
        InvalidInput: one is not kept any more.
    """
    return [transcripts.recall(message, param=f"messages[{index}].audio") for index, message in enumerate(messages)]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
