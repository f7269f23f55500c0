"""What a voice memo is answered with: one JSON object, a stream of events, or the spoken summary alone."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread

from model_runtime.catalog.languages import language_name
from model_runtime.errors import InvalidInput
from model_runtime.events import (
    AudioChunk,
    ChatResult,
    Event,
    Finished,
    Progress,
    Segment,
    TextDelta,
    TranscriptionResult,
)
from model_runtime.media.speech_encoder import SpeechEncoder, encode_speech
from openai_compat.api.generation import model_headers
from openai_compat.api.spoken_text import NOTHING_SPOKEN, Narration, open_encoder
from openai_compat.api.voice_memo_plan import Step, StepEvent
from openai_compat.http.sse import DONE_EVENT, Chunk, LateHeaders, encode_event

NO_SPEECH = "The recording has no speech."
NO_TEXT = "The language model wrote no summary."
CUT_OFF = "The summary ends in the middle: the language model wrote too much."


@dataclass(slots=True)
class MemoAnswer:
    """What the steps have told so far. `warnings` are those from before the first step."""

    audio_format: str
    warnings: list[str] = field(default_factory=list)
    transcription: Finished | None = None
    summary: Finished | None = None
    narration: Narration = field(default_factory=Narration)

    def add(self, step: Step, event: Event) -> None:
        """Take an event.

        Raises:
            JobFailed: the summary is spoken at two sample rates.
        """
        if step is Step.BRIEFING:
            self.narration.add(event)
        elif isinstance(event, Finished) and step is Step.TRANSCRIPTION:
            self.transcription = event
        elif isinstance(event, Finished):
            self.summary = event

    @property
    def transcript(self) -> TranscriptionResult | None:
        """The transcript, once it is complete."""
        result = self.transcription.result if self.transcription else None
        return result if isinstance(result, TranscriptionResult) else None

    def text_fields(self) -> dict[str, Any]:
        """Return transcript, language, duration in seconds, and the summary, null if there is none."""
        transcript, summary = self.transcript, self.summary.result if self.summary else None
        return {
            "transcript": transcript.text.strip() if transcript else "",
            "language": language_name(transcript.language).lower() if transcript else "",
            "duration": transcript.duration_seconds if transcript else 0.0,
            "summary": summary.text.strip() if isinstance(summary, ChatResult) else None,
        }

    def senses(self) -> dict[str, Any]:
        """Return our field `senses`: the models of each step, and all warnings."""
        speech = self.narration.senses()
        steps = {"transcription": self.transcription, "summary": self.summary}
        models = {name: finished.model if finished else None for name, finished in steps.items()}
        starters = [finished.starter for finished in steps.values() if finished]
        return {
            "models": models | {"speech": speech.get("model")},
            "starter": any(starters) or bool(speech.get("starter")),
            "warnings": list(dict.fromkeys(self._warnings())),
        }

    def _warnings(self) -> list[str]:
        fields = self.text_fields()
        finished = filter(None, (self.transcription, self.summary))
        told = [*self.warnings, *(warning for one in finished for warning in one.result.warnings)]
        told += self.narration.warnings
        if self.transcription and not fields["transcript"]:
            told.append(NO_SPEECH)
        if self.summary and isinstance(self.summary.result, ChatResult):
            told += [NO_TEXT] if not fields["summary"] else []
            told += [CUT_OFF] if self.summary.result.finish_reason == "length" else []
        return told

    def to_json(self, pcm: bytes | None) -> dict[str, Any]:
        """Return the whole answer; `pcm` are the spoken samples, None if nothing was to be spoken. Encodes them."""
        fields = {"object": "voice_memo", **self.text_fields(), "briefing": None}
        senses = self.senses()
        if pcm:
            recording = encode_speech(pcm, self.narration.sample_rate, self.audio_format)
            fields["briefing"] = {"format": self.audio_format, "data": base64.b64encode(recording).decode()}
        elif pcm is not None and fields["transcript"]:
            senses["warnings"].append(NOTHING_SPOKEN)
        return {**fields, "senses": senses}


async def collect_answer(answer: MemoAnswer, steps: AsyncGenerator[StepEvent], *, is_spoken: bool) -> dict[str, Any]:
    """Run all steps and return the whole answer."""
    pcm = bytearray()
    async with aclosing(steps):
        async for step, event in steps:
            answer.add(step, event)
            if isinstance(event, AudioChunk):
                pcm += event.pcm
    return await to_thread.run_sync(answer.to_json, bytes(pcm) if is_spoken else None)


async def answer_events(answer: MemoAnswer, steps: AsyncGenerator[StepEvent]) -> AsyncGenerator[Chunk]:
    """Yield an event for each piece of text and sound and for progress, then one with all texts.

    The decoded sound of all pieces joins to the file.
    """
    encoder: SpeechEncoder | None = None
    async with aclosing(steps):
        async for step, event in steps:
            answer.add(step, event)
            if isinstance(event, AudioChunk):
                encoder = encoder or await open_encoder(answer.audio_format, event.sample_rate)
                if encoded := await to_thread.run_sync(encoder.feed, event.pcm):
                    yield _audio_event(encoded)
            elif written := _text_event(step, event):
                yield written
    if encoder and (encoded := await to_thread.run_sync(encoder.close)):
        yield _audio_event(encoded)
    yield _event("done", **answer.text_fields(), senses=answer.senses())
    yield DONE_EVENT


async def briefing_chunks(answer: MemoAnswer, steps: AsyncGenerator[StepEvent]) -> AsyncGenerator[Chunk]:
    """Yield the spoken summary while it is spoken, and nothing else.

    Raises:
        InvalidInput: there is nothing to speak.
    """
    encoder: SpeechEncoder | None = None
    async with aclosing(steps):
        async for step, event in steps:
            answer.add(step, event)
            if isinstance(event, AudioChunk):
                if encoder is None:
                    encoder = await open_encoder(answer.audio_format, event.sample_rate)
                    yield LateHeaders(_headers(answer, event.sample_rate))
                if encoded := await to_thread.run_sync(encoder.feed, event.pcm):
                    yield encoded
    if encoder is None:
        raise InvalidInput(
            f"{' '.join(answer.senses()['warnings']) or NOTHING_SPOKEN} An answer that is only sound would be empty; "
            "leave out answer=audio.",
            param="answer",
            code="nothing_to_speak",
        )
    yield await to_thread.run_sync(encoder.close)


def _text_event(step: Step, event: Event) -> bytes:
    """Return the event for a piece of text or for progress, b"" for what is not told."""
    match step, event:
        case Step.TRANSCRIPTION, Segment(text=text):
            return _event("transcript.delta", delta=text)
        case Step.SUMMARY, TextDelta(text=text):
            return _event("summary.delta", delta=text)
        case ((Step.TRANSCRIPTION | Step.SUMMARY), Progress(stage=stage, done=done, total=total)):
            return _event("progress", step=step.value, stage=stage, done=done, total=total)
        case _:
            return b""


def _audio_event(encoded: bytes) -> bytes:
    return _event("briefing.delta", audio=base64.b64encode(encoded).decode())


def _event(name: str, **fields: Any) -> bytes:
    return encode_event({"type": f"voice_memo.{name}", **fields}, f"voice_memo.{name}")


def _headers(answer: MemoAnswer, sample_rate: int) -> dict[str, str]:
    narration = answer.narration
    headers = model_headers(narration.model, starter=narration.starter, warnings=answer.senses()["warnings"])
    headers["x-sample-rate"] = str(sample_rate)
    if answer.audio_format == "pcm":
        headers["content-type"] = f"audio/pcm;rate={sample_rate};channels=1"
    return headers
