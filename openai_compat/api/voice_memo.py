"""POST /v1/voice-memo: a recording in; its transcript, a summary and, if wanted, the summary spoken out.

One call for what takes three: it is made for iOS Shortcuts, whose action "Get Contents of URL" sends one request.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.catalog.languages import parse_language
from model_runtime.catalog.openai_names import tier_of
from model_runtime.errors import ModelMissing
from model_runtime.media.speech_encoder import CONTENT_TYPES
from model_runtime.requests import Speak, Task
from model_runtime.service import Service
from openai_compat.api.audio_uploads import open_upload
from openai_compat.api.generation import client_name, resolve_field
from openai_compat.api.schemas import RequestBody, VoiceId, text_to_object, unsupported_error
from openai_compat.api.spoken_text import Narrator, require_voice
from openai_compat.api.voice_memo_answer import MemoAnswer, answer_events, briefing_chunks, collect_answer
from openai_compat.api.voice_memo_plan import VoiceMemoPlan
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.sse import DeferredStreamingResponse


class VoiceMemoBody(RequestBody):
    """POST /v1/voice-memo, without the recording. `model` writes the summary; two more hear and speak.

    `briefing` wants the summary spoken as well. `answer` "audio" is that alone; without one the header Accept decides.
    """

    transcription_model: str = ""
    speech_model: str = ""
    language: str = ""
    instructions: str = Field("", max_length=4096)
    briefing: bool = False
    voice: Annotated[VoiceId, text_to_object("id")] = VoiceId(id="")
    speed: float = Field(1.0, ge=0.25, le=4)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    answer: Literal["", "json", "audio"] = ""
    stream: bool = False

    @model_validator(mode="after")
    def check(self) -> "VoiceMemoBody":
        """Refuse events in an answer that is a recording.

        Raises:
            PydanticCustomError: both are asked for.
        """
        if self.stream and self.answer == "audio":
            raise unsupported_error("stream with answer=audio", "The sound is sent while it is spoken; leave it out.")
        return self


@dataclass(frozen=True, slots=True)
class VoiceMemoEndpoint:
    """The endpoint."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/voice-memo", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Transcribe, summarise and speak a recording."""
        async with AsyncExitStack() as files:
            upload = await files.enter_async_context(open_upload(request, VoiceMemoBody))
            body, is_audio = upload.body, wants_audio(request, upload.body)
            is_spoken = body.briefing or is_audio
            answer = MemoAnswer(body.response_format)
            plan = await self._plan(body, client_name(request.headers), answer, is_spoken=is_spoken)
            steps = plan.run(upload.source, files.pop_all(), param=upload.param)
        if is_audio:
            media_type = CONTENT_TYPES[body.response_format]
            chunks = briefing_chunks(answer, steps)
            return DeferredStreamingResponse(chunks, media_type=media_type, encode_error=None, ping_seconds=inf)
        if body.stream:
            return DeferredStreamingResponse(answer_events(answer, steps))
        async with cancel_on_disconnect(request.receive):
            return JSONResponse(await collect_answer(answer, steps, is_spoken=is_spoken))

    async def _plan(self, body: VoiceMemoBody, client: str, answer: MemoAnswer, *, is_spoken: bool) -> VoiceMemoPlan:
        """Resolve all models before any work and return what is to be done. What it lacks is told in the answer.

        Raises:
            InvalidInput: there is no such model, voice or language.
            ModelMissing: a model that is needed is not on this disk.
        """
        summary_model = await self._summary_model(body.model, answer)
        narrator = None
        if is_spoken:
            answer.narration = await require_voice(self.service, body.speech_model, body.voice.id, param="speech_model")
            speak = Speak(body.speech_model, "", voice=body.voice.id, speed=body.speed)
            narrator = Narrator(self.service, speak, client, body.keep_alive)
            if not summary_model:
                answer.warnings.append("The transcript is spoken in its place.")
        transcription_model = await resolve_field(
            self.service, body.transcription_model, Task.TRANSCRIPTION, param="transcription_model"
        )
        return VoiceMemoPlan(
            self.service,
            transcription_model,
            parse_language(body.language),
            summary_model,
            body.instructions,
            narrator,
            client,
            body.keep_alive,
        )

    async def _summary_model(self, name: str, answer: MemoAnswer) -> str:
        """Return the model that writes the summary; "" if nobody named one and none can, and the answer tells why.

        Raises:
            InvalidInput: the model that `name` means does not chat.
            ModelMissing: its weights are not on this disk.
        """
        is_open = bool(tier_of(name, Task.TEXT))
        try:
            model = await self.service.resolve(name, Task.TEXT)
        except ModelMissing as error:
            if not is_open:
                raise
            answer.warnings.append(f"There is no summary. {error.message}")
            return ""
        status = self.service.status().model(model)
        if status and status.starter:
            answer.warnings.append(
                f"There is no summary: {model} only knows coloured shapes. Run: senses pull llm-fast, "
                "or name a language model as model."
            )
            return ""
        return model


def wants_audio(request: Request, body: VoiceMemoBody) -> bool:
    """Return whether the answer is the spoken summary alone: by the body, else by the header Accept."""
    if body.answer or body.stream:
        return body.answer == "audio"
    return request.headers.get("accept", "").lower().startswith("audio/")
