"""wyoming-openai: the program by which Home Assistant's voice assistants use OpenAI's API, as its users start it."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, Eventable
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeVoice

from tests.clients.given import BASE_URL, KEY, MEDIA, SPOKEN

START_SECONDS = 30.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a running proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free: int = listener.getsockname()[1]
    stt = [
        "--stt-openai-url",
        BASE_URL,
        "--stt-openai-key",
        KEY,
        "--stt-models",
        "whisper-1",
        "--stt-streaming-models",
        "listener",
    ]
    tts = [
        "--tts-openai-url",
        BASE_URL,
        "--tts-openai-key",
        KEY,
        "--tts-models",
        "tts-1",
        "--tts-voices",
        "alloy",
        "nova",
    ]
    command = [sys.executable, "-m", "wyoming_openai", "--uri", f"tcp://127.0.0.1:{free}", *stt, *tts]
    with subprocess.Popen(command) as proxy:
        yield free
        proxy.terminate()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncGenerator[AsyncTcpClient]:
    """Connect as soon as the proxy listens."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                async with AsyncTcpClient("127.0.0.1", port) as client:
                    yield client
                    return
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)


async def ask(port: int, asked: list[Eventable], last: str) -> list[Event]:
    """Send events; return all answers up to the one of type `last`."""
    answers: list[Event] = []
    async with connected(port) as client:
        for event in asked:
            await client.write_event(event.event())
        while not answers or answers[-1].type != last:
            answer = await client.read_event()
            assert answer is not None, answers
            answers.append(answer)
    return answers


def spoken_events() -> list[Any]:
    """The recording, as a microphone sends it."""
    with wave.open(str(MEDIA / "recording.wav")) as recording:
        sound = {"rate": recording.getframerate(), "width": 2, "channels": 1}
        pieces = iter(lambda: recording.readframes(4000), b"")
        return [AudioStart(**sound), *(AudioChunk(audio=piece, **sound) for piece in pieces), AudioStop()]


def test_models_and_voices_are_described(port: int) -> None:
    (answer,) = asyncio.run(ask(port, [Describe()], "info"))

    info = Info.from_event(answer)
    assert {model.name for program in info.asr for model in program.models} == {"whisper-1", "listener"}
    assert {voice.name for program in info.tts for voice in program.voices} >= {"alloy", "nova"}


@pytest.mark.parametrize("model", ["whisper-1", "listener"], ids=["whole", "streamed"])
def test_speech_is_written_down(port: int, model: str) -> None:
    answers = asyncio.run(ask(port, [Transcribe(name=model, language="en"), *spoken_events()], "transcript"))

    assert Transcript.from_event(answers[-1]).text.strip() == SPOKEN


def test_a_text_is_spoken(port: int) -> None:
    voice = SynthesizeVoice(name="alloy")
    answers = asyncio.run(ask(port, [Synthesize(text="a red circle", voice=voice)], "audio-stop"))

    chunks = [AudioChunk.from_event(answer) for answer in answers if AudioChunk.is_type(answer.type)]
    assert chunks[0].rate == 24_000
    assert sum(len(chunk.audio) for chunk in chunks) > 24_000
