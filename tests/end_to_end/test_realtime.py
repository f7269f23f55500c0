"""Speech of the speaking starter is heard by the hearing one while it arrives, through OpenAI's own client."""

import base64
import json
from typing import Any

import anyio
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.end_to_end.conftest import RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]
SENTENCE = "a red circle above a blue square"
RATE = 24_000
PIECE_BYTES = RATE // 10 * 2
COMPLETED = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"
KNOWN: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@pytest.mark.promise("openai:realtime")
async def test_what_one_starter_says_the_other_hears_while_it_is_said(served: RunningDaemon) -> None:
    speech = OpenAI(base_url=f"{served.url}/v1", api_key="none").audio.speech
    spoken = speech.create(model="tts-starter", voice="alma", input=SENTENCE, response_format="pcm").content

    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as sdk:
        events = await hear(sdk, bytes(RATE) + spoken + bytes(RATE * 2))

    kinds = [event["type"] for event in events]
    assert [kind for kind in kinds if kind.startswith("input_audio_buffer")] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    assert events[-1]["transcript"] == SENTENCE
    assert events[-1]["senses"]["model"] == "stt-starter"
    assert "".join(event["delta"] for event in events if event["type"] == DELTA) == SENTENCE


async def hear(sdk: AsyncOpenAI, pcm: bytes) -> list[dict[str, Any]]:
    """Send a sound as it is recorded, and return the events up to the transcript."""
    async with sdk.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"transcription": {"model": "stt-starter"}}}}
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, connection, pcm)
            events: list[dict[str, Any]] = []
            while not events or events[-1]["type"] != COMPLETED:
                raw = await connection.recv_bytes()
                KNOWN.validate_json(raw)
                events.append(json.loads(raw))
    return events[2:]


async def send(connection: Any, pcm: bytes) -> None:
    """Send a tenth of a second at a time."""
    for start in range(0, len(pcm), PIECE_BYTES):
        piece = base64.b64encode(pcm[start : start + PIECE_BYTES]).decode()
        await connection.input_audio_buffer.append(audio=piece)
