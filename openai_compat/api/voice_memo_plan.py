"""Which models hear, summarise and speak a voice memo, and the events of these steps in their order."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from model_runtime.catalog.languages import language_name
from model_runtime.events import Event, TextDelta, TranscriptionResult, expect_result
from model_runtime.requests import Transcribe
from model_runtime.service import Service
from openai_compat.api.spoken_text import SPOKEN, Narrator
from openai_compat.api.summaries import Summariser


class Step(Enum):
    """Whose event it is."""

    TRANSCRIPTION = "transcription"
    SUMMARY = "summary"
    BRIEFING = "briefing"


StepEvent = tuple[Step, Event]


@dataclass(frozen=True, slots=True)
class VoiceMemoPlan:
    """What is done with a recording. `summary_model` "" writes no summary, and what is spoken then is the transcript."""

    service: Service
    transcription_model: str
    language: str
    summary_model: str
    instructions: str
    narrator: Narrator | None
    client: str
    keep_alive_seconds: float | None

    async def run(self, source: bytes | BinaryIO, files: AsyncExitStack, *, param: str) -> AsyncGenerator[StepEvent]:
        """Decode a recording, delete its `files`, and yield the events of each step. Closing the generator cancels them.

        `param` names the recording in errors.

        Raises:
            InvalidMedia: the upload is no recording.
            SensesError: a step fails.
        """
        async with files:
            audio = await self.service.media.decode_audio(source, param=param)
        event: Event | None = None
        request = Transcribe(self.transcription_model, audio, language=self.language)
        run = self.service.run(request, client=self.client, keep_alive_seconds=self.keep_alive_seconds)
        async with aclosing(run) as events:
            async for event in events:
                yield Step.TRANSCRIPTION, event
        _, transcript = expect_result(event, TranscriptionResult)
        text = transcript.text.strip()
        if text and (self.summary_model or self.narrator):
            async with aclosing(self._answer(text, language_name(transcript.language))) as steps:
                async for step in steps:
                    yield step

    async def _answer(self, text: str, language: str) -> AsyncGenerator[StepEvent]:
        """Yield the events of the summary, and those of its speech or, where there is no summary, of the transcript's."""
        written = self._summarise(text, language) if self.summary_model else _as_it_is(text)
        if self.narrator is None:
            async with aclosing(written) as events:
                async for event in events:
                    yield Step.SUMMARY, event
            return
        async with aclosing(self.narrator.narrate(written)) as narrated:
            async for index, event in narrated:
                if index == SPOKEN:
                    yield Step.BRIEFING, event
                elif self.summary_model:
                    yield Step.SUMMARY, event

    def _summarise(self, text: str, language: str) -> AsyncGenerator[Event]:
        status = self.service.status().model(self.summary_model)
        context_tokens = status.context_tokens if status else 0
        return Summariser(
            self.service,
            self.summary_model,
            context_tokens,
            language,
            self.instructions,
            self.client,
            self.keep_alive_seconds,
        ).run(text)


async def _as_it_is(text: str) -> AsyncGenerator[Event]:
    yield TextDelta(text)
