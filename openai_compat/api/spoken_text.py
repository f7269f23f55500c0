"""Speaks the answer of a chat, sentence by sentence, while the chat still writes it."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio import to_thread

from model_runtime.catalog.voices import MODEL_VOICE_NAMES, OPENAI_VOICES
from model_runtime.errors import InvalidInput, JobFailed
from model_runtime.events import AudioChunk, Event, Finished, ModelChosen, SpeechResult, TextDelta, Warnings
from model_runtime.formats.sentence_ends import split_off_sentences
from model_runtime.media.speech_encoder import SpeechEncoder
from model_runtime.requests import Speak, Task
from model_runtime.service import Service
from openai_compat.api.chat_requests import IndexedEvent, merge_runs
from openai_compat.api.generation import resolve_field

WRITTEN, SPOKEN = 0, 1
"""Whose event it is: of the chat, or of its speech."""
MIN_CHARACTERS = 16
"""A shorter sentence waits for the next one: two words do not tell their language."""
MAX_CHARACTERS = 1000
"""What is spoken at once when the chat writes faster than the voice speaks."""
PAUSE_SECONDS = 0.12
"""Silence between two pieces."""
BYTES_PER_SAMPLE = 2
NOTHING_SPOKEN = "The answer has nothing that can be spoken."

_CODE_BLOCK = re.compile(r"```.*?```", re.DOTALL)


def next_piece(text: str, *, is_complete: bool) -> tuple[str, str]:
    """Return the sentences to speak now, "" for none yet, and the text that is left.

    Blocks of code are left out. A text that is not complete is held back from where such a block begins.
    """
    prose, fence, code = _CODE_BLOCK.sub(" ", text).partition("```")
    piece, rest = split_off_sentences(prose, MAX_CHARACTERS)
    if is_complete:
        return (piece, rest) if piece else (prose, "")
    return ("", text) if len(piece) < MIN_CHARACTERS else (piece, rest + fence + code)


class SentenceQueue:
    """A text that one task writes and another takes in whole sentences."""

    def __init__(self) -> None:
        self._text = ""
        self._is_complete = False
        self._changed = anyio.Event()

    def write(self, text: str) -> None:
        """Add text."""
        self._text += text
        self._changed.set()

    def complete(self) -> None:
        """Say that no more text comes."""
        self._is_complete = True
        self._changed.set()

    async def take(self) -> str:
        """Wait for the next sentences that have a letter or digit and return them; "" at the end."""
        while True:
            piece, self._text = next_piece(self._text, is_complete=self._is_complete)
            if any(map(str.isalnum, piece)) or (self._is_complete and not piece):
                return piece
            if not piece:
                self._changed = anyio.Event()
                await self._changed.wait()


@dataclass(frozen=True, slots=True)
class Narrator:
    """Speaks texts in the way of `request`, which lacks the text."""

    service: Service
    request: Speak
    client: str = ""
    keep_alive_seconds: float | None = None

    def narrate(self, chat_events: AsyncGenerator[Event]) -> AsyncGenerator[IndexedEvent]:
        """Yield the events of a chat, and those of its speech as soon as sentences are written.

        The speech has a `Finished` for each piece of the text. Closing the generator cancels chat and speech.

        Raises:
            SensesError: the chat or the speech failed; the other one is cancelled.
        """
        sentences = SentenceQueue()
        return merge_runs([_written(chat_events, sentences), self._spoken(sentences)])

    async def _spoken(self, sentences: SentenceQueue) -> AsyncGenerator[Event]:
        is_pause_due = False
        while text := await sentences.take():
            async with aclosing(self._speak(text)) as events:
                async for event in events:
                    if isinstance(event, AudioChunk):
                        if is_pause_due:
                            yield _silence(event.sample_rate)
                        is_pause_due = False
                    yield event
            is_pause_due = True

    async def _speak(self, text: str) -> AsyncGenerator[Event]:
        """Speak a piece, unless only markup and emoji are left of it."""
        request = replace(self.request, text=text)
        run = self.service.run(request, client=self.client, keep_alive_seconds=self.keep_alive_seconds)
        try:
            async with aclosing(run) as events:
                async for event in events:
                    yield event
        except InvalidInput as error:
            if error.code != "empty_text":
                raise


async def _written(events: AsyncGenerator[Event], sentences: SentenceQueue) -> AsyncGenerator[Event]:
    """Pass on the events of a chat and write its text into the queue."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TextDelta):
                sentences.write(event.text)
            yield event
    sentences.complete()


def _silence(sample_rate: int) -> AudioChunk:
    return AudioChunk(bytes(BYTES_PER_SAMPLE * int(PAUSE_SECONDS * sample_rate)), sample_rate)


async def open_encoder(audio_format: str, sample_rate: int) -> SpeechEncoder:
    """Start an encoder in a thread: the first one imports its library and initialises the codec."""
    return await to_thread.run_sync(SpeechEncoder, audio_format, sample_rate)


@dataclass(slots=True)
class Narration:
    """What is known of the speech of a text. `model` is the one that was meant until another one is chosen."""

    model: str = ""
    starter: bool = False
    sample_rate: int = 0
    finished: Finished | None = None
    warnings: dict[str, None] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take an event of the speech.

        Raises:
            JobFailed: the samples have another rate than those before.
        """
        if isinstance(event, AudioChunk):
            if self.sample_rate not in (0, event.sample_rate):
                raise JobFailed(
                    f"A part of the text is spoken at {event.sample_rate} Hz and the rest at {self.sample_rate}. "
                    "Name the speech model that is to speak all of it."
                )
            self.sample_rate = event.sample_rate
        elif isinstance(event, ModelChosen):
            self.model, self.starter = event.model, event.starter
        elif isinstance(event, Warnings):
            self.warnings |= dict.fromkeys(event.warnings)
        elif isinstance(event, Finished):
            self.finished = event
            self.model, self.starter = event.model, event.starter
            self.warnings |= dict.fromkeys(event.result.warnings)

    def senses(self) -> dict[str, Any]:
        """Return our fields of the speech, none if nothing was spoken."""
        if self.finished is None or not isinstance(self.finished.result, SpeechResult):
            return {}
        return {
            "model": self.model,
            "starter": self.starter,
            "voice": self.finished.result.voice,
            "sample_rate": self.sample_rate,
        }


async def require_voice(service: Service, model: str, voice: str, *, param: str) -> Narration:
    """Check, before anything is written, that a model speaks and has a voice; return what is known of its speech.

    `param` names the model in errors.

    Raises:
        InvalidInput: it has no such voice, or it does not speak.
        ModelMissing: its weights are not on this disk.
    """
    name = await resolve_field(service, model, Task.SPEECH, param=param)
    status = service.status().model(name)
    voices = status.voices if status else ()
    if voices and voice.strip().lower() not in {*MODEL_VOICE_NAMES, *OPENAI_VOICES, *map(str.lower, voices)}:
        raise InvalidInput(
            f"{name} has no voice {voice!r}. Voices: {', '.join(voices)}. "
            f"OpenAI's names ({', '.join(OPENAI_VOICES)}) work too.",
            param="voice",
            code="unknown_voice",
        )
    return Narration(name, starter=bool(status and status.starter))
