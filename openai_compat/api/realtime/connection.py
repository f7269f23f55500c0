"""Serves one realtime session: one task hears the client, another transcribes, one pass at a time."""

from collections.abc import Callable, Mapping

import anyio
from anyio import CancelScope, move_on_after, to_thread
from anyio.abc import TaskGroup
from starlette.websockets import WebSocket

from model_runtime.catalog.languages import parse_language
from model_runtime.errors import InvalidInput, SensesError
from model_runtime.events import TranscriptionResult
from model_runtime.requests import Task, Transcribe
from model_runtime.service import Service
from openai_compat.api.generation import client_name, collect_result
from openai_compat.api.realtime.client_events import ClientEvent, read_event
from openai_compat.api.realtime.server_events import ServerEvent, error_event
from openai_compat.api.realtime.session import RealtimeSession, TranscriptionPass
from openai_compat.api.realtime.settings import SessionSettings, Transcription, from_beta
from openai_compat.http.disconnect import ClientDisconnected, unwrapped_task_group
from openai_compat.http.sse import encode_json
from openai_compat.http.web_sockets import NORMAL, close, send_text

IDLE_SECONDS = 600.0
"""A session whose client sends nothing for so long is closed."""


class RealtimeConnection:
    """One session over one WebSocket."""

    def __init__(self, service: Service, websocket: WebSocket, session: RealtimeSession) -> None:
        self._service, self._websocket, self._session = service, websocket, session
        self._client = client_name(websocket.headers)
        self._sending = anyio.Lock()
        self._changed = anyio.Event()
        self._running: tuple[TranscriptionPass, CancelScope] | None = None

    async def serve(self) -> None:
        """Serve until the client goes or says nothing for ten minutes; its transcription ends with it."""
        async with unwrapped_task_group() as tasks:
            await self._send(tasks, self._session.describe("created"))
            tasks.start_soon(self._transcribe, tasks)
            if await self._hear(tasks):
                await close(self._websocket, NORMAL, f"The client sent nothing for {IDLE_SECONDS:.0f} s.")
            tasks.cancel_scope.cancel()

    async def _hear(self, tasks: TaskGroup) -> bool:
        """Answer what the client sends; return whether it has gone silent rather than away."""
        while True:
            with move_on_after(IDLE_SECONDS) as waiting:
                message = await self._websocket.receive()
            if waiting.cancelled_caught:
                return True
            if message["type"] == "websocket.disconnect":
                return False
            await self._send(tasks, await self._answer(await read_event(message)))
            self._changed.set()
            if self._running is not None and not self._session.is_wanted(self._running[0]):
                self._running[1].cancel()

    async def _answer(self, event: ClientEvent) -> list[ServerEvent]:
        try:
            if event.error is not None:
                raise event.error
            return await self._handle(event)
        except SensesError as error:
            return [error_event(error, event.id)]

    async def _handle(self, event: ClientEvent) -> list[ServerEvent]:
        match event.type:
            case "input_audio_buffer.append":
                return await self._append(event.fields.get("audio"))
            case "session.update":
                return await self._update(event.fields.get("session"))
            case "transcription_session.update":
                return await self._update(from_beta(event.fields.get("session")))
            case name if name in COMMANDS:
                return COMMANDS[name](self._session)
            case name:
                raise InvalidInput(
                    f"The event {name[:64]!r} is not served. A transcription session takes {', '.join(KNOWN_EVENTS)}.",
                    param="type",
                    code="unsupported_event",
                )

    async def _append(self, encoded: object) -> list[ServerEvent]:
        if not isinstance(encoded, str):
            raise InvalidInput("audio is missing. Send the sound in base64.", param="audio")
        self._session.require_room(encoded)
        return self._session.take(await to_thread.run_sync(self._session.listener.hear, encoded))

    async def _update(self, changes: object) -> list[ServerEvent]:
        settings = self._session.settings.updated(changes)
        await check_transcription(self._service, settings)
        return self._session.update(settings)

    async def _transcribe(self, tasks: TaskGroup) -> None:
        while True:
            made = self._session.next_pass()
            if made is None:
                self._changed = anyio.Event()
                await self._changed.wait()
                continue
            events: list[ServerEvent] = []
            with CancelScope() as scope:
                self._running = made, scope
                events = await self._run(made)
            self._running = None
            await self._send(tasks, events)

    async def _run(self, made: TranscriptionPass) -> list[ServerEvent]:
        settings = self._session.settings.audio.input.transcription or Transcription()
        try:
            request = Transcribe(
                await self._service.resolve(settings.model, Task.TRANSCRIPTION),
                await self._service.media.store_audio(made.pcm),
                language=parse_language(settings.only_language),
                prompt=settings.whole_prompt,
            )
            events = self._service.run(request, client=self._client)
            finished, transcript = await collect_result(events, TranscriptionResult)
        except SensesError as error:
            return self._session.fail(made, error)
        return self._session.finish(made, finished, transcript)

    async def _send(self, tasks: TaskGroup, events: list[ServerEvent]) -> None:
        """Send events in the order in which the session returned them; end the session if the client does not read."""
        try:
            async with self._sending:
                for event in events:
                    await send_text(self._websocket, encode_json(event))
        except ClientDisconnected:
            tasks.cancel_scope.cancel()


async def check_transcription(service: Service, settings: SessionSettings) -> None:
    """Check that the model and the language of a session exist.

    Raises:
        InvalidInput: the language is unknown, or the model does not transcribe.
        ModelMissing: the model is not on this disk.
        UnknownModel: there is no such model.
    """
    if (transcription := settings.audio.input.transcription) is not None:
        parse_language(transcription.only_language)
        if transcription.model:
            await service.resolve(transcription.model, Task.TRANSCRIPTION)


COMMANDS: Mapping[str, Callable[[RealtimeSession], list[ServerEvent]]] = {
    "input_audio_buffer.commit": RealtimeSession.commit,
    "input_audio_buffer.clear": RealtimeSession.clear,
}
"""Events without fields."""
KNOWN_EVENTS = ("session.update", "transcription_session.update", "input_audio_buffer.append", *COMMANDS)
