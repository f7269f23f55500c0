"""Whisper base hears real speech while it arrives, and writes down what it hears in the whole recording."""

import base64
import json
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from model_runtime.media.speech_turns import TurnDetector, TurnStarted, TurnStopped
from model_runtime.media.voice_activity import VoiceActivityDetector
from tests.end_to_end.conftest import RunningDaemon
from tests.openai_compat.api.realtime.sounds import resampled
from tests.real_models.recordings import SAMPLE_RATE, Recording, read_samples
from tests.real_models.selection import select_clips
from tests.real_models.test_whisper import MODEL, transcribe, wav
from tests.real_models.words import words_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]
KNOWN: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
TRANSCRIPTION = "conversation.item.input_audio_transcription"
SETTINGS = {"transcription": {"model": MODEL, "language": "en"}, "turn_detection": None}
PIECE_BYTES = 24_000 * 3
"""A second and a half."""
PASS_SECONDS = 10
QUIET = np.zeros(SAMPLE_RATE, np.int16)


@pytest.fixture(scope="module")
def english(recordings: list[Recording]) -> list[Recording]:
    """Real speech of two seconds and more."""
    return [clip for clip in select_clips(recordings) if clip.language == "en" and clip.seconds > 2]


@pytest.mark.promise("openai:realtime")
async def test_real_speech_is_heard_while_it_arrives_with_the_words_of_the_whole(
    real_daemon: RunningDaemon, http: httpx2.Client, recordings_folder: Path, english: list[Recording]
) -> None:
    samples = read_samples(recordings_folder, next(clip for clip in english if 4 < clip.seconds < 7))
    at_once = await anyio.to_thread.run_sync(lambda: transcribe(http, wav(samples), language="en"))

    async with AsyncOpenAI(base_url=f"{real_daemon.url}/v1", api_key="none", timeout=900) as sdk:
        events = await hear(sdk, resampled(samples, SAMPLE_RATE))

    deltas = [event for event in events if event["type"] == f"{TRANSCRIPTION}.delta"]
    committed = next(index for index, event in enumerate(events) if event["type"] == "input_audio_buffer.committed")
    assert words_of(events[-1]["transcript"]) == words_of(at_once["text"])
    assert words_of("".join(event["delta"] for event in deltas)) == words_of(events[-1]["transcript"])
    assert events.index(deltas[0]) < committed


async def hear(sdk: AsyncOpenAI, pcm: bytes) -> list[dict[str, Any]]:
    """Send a sound piece by piece, each when the pass over those before it has had its time, until there are words."""
    async with sdk.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=cast(Any, {"type": "transcription", "audio": {"input": SETTINGS}}))
        events = [await next_event(connection) for _ in range(2)]
        for start in range(0, len(pcm), PIECE_BYTES):
            await connection.input_audio_buffer.append(
                audio=base64.b64encode(pcm[start : start + PIECE_BYTES]).decode()
            )
            if not any(event["type"].endswith(".delta") for event in events):
                with anyio.move_on_after(PASS_SECONDS):
                    events.append(await next_event(connection))
        await connection.input_audio_buffer.commit()
        while not events[-1]["type"].endswith((".completed", ".failed")):
            events.append(await next_event(connection))
    return events


async def next_event(connection: Any) -> dict[str, Any]:
    raw = await connection.recv_bytes()
    KNOWN.validate_json(raw)
    return dict(json.loads(raw))


@pytest.mark.promise("openai:voice-activity")
def test_real_speech_in_five_languages_begins_and_ends_turns(
    recordings_folder: Path, recordings: list[Recording], is_complete: bool
) -> None:
    clips = [clip for clip in recordings if 1.5 < clip.seconds < 20]
    chosen = clips if is_complete else clips[:: max(1, len(clips) // 60)]

    found = [turns_of(np.concatenate([QUIET, read_samples(recordings_folder, clip), QUIET])) for clip in chosen]

    missed = [clip.file for clip, turns in zip(chosen, found, strict=True) if not is_heard(turns, clip.seconds)]
    assert len(missed) <= 0.03 * len(chosen), missed


def turns_of(samples: np.ndarray) -> list[TurnStarted | TurnStopped]:
    return list(TurnDetector(0.5).feed(VoiceActivityDetector().feed(samples.tobytes())))


def is_heard(turns: list[TurnStarted | TurnStopped], seconds: float) -> bool:
    """Return whether a turn begins within the first half second of speech, and the last one ends after it."""
    if not turns or not isinstance(turns[-1], TurnStopped):
        return False
    return 0.5 <= turns[0].sample / SAMPLE_RATE <= 1.7 and turns[-1].sample / SAMPLE_RATE >= seconds
