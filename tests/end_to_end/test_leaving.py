"""Clients of a real daemon go away in the middle: the connection is closed, or the MCP call is cancelled.

Whatever they had asked for takes minutes; it stops, the workers stand still, and the models stay for the next call.
"""

import base64
import io
import json
import os
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import psutil
import pytest
import websockets
from PIL import Image

from benchmarks.instance import STARTERS
from model_runtime.engines.blas import load_fast_blas
from model_runtime.media.speech_encoder import wav_header
from tests.end_to_end.conftest import RunningDaemon, running_daemon
from tests.end_to_end.test_mcp import connected
from tests.meaning.recordings import clip
from tests.meaning.sounds import decode_samples
from tests.openai_compat.api.realtime.sounds import resampled

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]
WAIT_SECONDS = 60.0
RATE = 16_000
SENTENCE = "Draw a red circle above a star. "
TEXT = SENTENCE * 600


@dataclass(frozen=True, slots=True)
class Post:
    """A request to OpenAI's API that takes minutes."""

    path: str
    json: dict[str, Any] | None = None
    data: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] | None = None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningDaemon]:
    """A daemon with a tiny model that sees and one that only reads; neither stops talking by itself."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1", "TOKENIZERS_PARALLELISM": "false"}
    load_fast_blas()
    from tests.checkpoints import llama, qwen25_vl  # MLX, whose environment has to be set first

    sees, reads = tmp_path_factory.mktemp("sees"), tmp_path_factory.mktemp("reads")
    qwen25_vl.build(sees)
    llama.build_scripted(reads, endless=True)
    with running_daemon(f'{STARTERS}[models.sees]\npath = "{sees}"\n[models.reads]\npath = "{reads}"\n') as daemon:
        yield daemon


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve minutes of speech."""
    said = np.tile(decode_samples(clip("two-sentences").file), 150)
    pcm = (said * 32767).astype("<i2").tobytes()
    path = tmp_path_factory.mktemp("said") / "long.wav"
    path.write_bytes(wav_header(RATE, len(pcm)) + pcm)
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small gray one."""
    path = tmp_path_factory.mktemp("seen") / "gray.png"
    Image.new("RGB", (56, 56), "gray").save(path)
    return path


def looked(model: str, picture: Path, *, stream: bool) -> Post:
    url = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Look."}]
    return chatted(model, content, stream=stream)


def chatted(model: str, content: object, *, stream: bool) -> Post:
    messages = [{"role": "user", "content": content}]
    body = {"model": model, "messages": messages, "max_tokens": 3500, "temperature": 0, "stream": stream}
    return Post("/v1/chat/completions", body)


def posts(recording: Path, picture: Path, *, stream: bool) -> dict[str, Post]:
    drawn = {"model": "image-starter", "prompt": "a star", "size": "128x128", "steps": 50, "n": 10, "stream": stream}
    spoken = {"model": "tts-starter", "input": TEXT, "stream_format": "sse" if stream else "audio"}
    return {
        "mlx-vlm": looked("sees", picture, stream=stream),
        "mlx-lm": chatted("reads", "Hello", stream=stream),
        "mlx-whisper": Post(
            "/v1/audio/transcriptions",
            data={"model": "stt-starter", "stream": str(stream).lower()},
            files={"file": recording.read_bytes()},
        ),
        "mlx-audio": Post("/v1/audio/speech", spoken),
        "voice memo": Post(
            "/v1/voice-memo", data={"stream": str(stream).lower()}, files={"file": recording.read_bytes()}
        ),
        "mflux": Post("/v1/images/generations", drawn | ({"partial_images": 3} if stream else {})),
    }


async def status_of(served: RunningDaemon) -> dict[str, Any]:
    async with httpx2.AsyncClient(timeout=WAIT_SECONDS) as http:
        answer: dict[str, Any] = (await http.get(f"{served.url}/api/status")).json()
    return answer


async def until(served: RunningDaemon, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the status until it is as wanted."""
    with anyio.fail_after(WAIT_SECONDS):
        while not condition(status := await status_of(served)):  # noqa: ASYNC110 - it is another process's
            await anyio.sleep(0.02)
    return status


def works(status: dict[str, Any]) -> bool:
    return any(job["state"] == "running" for job in status["jobs"])


def rests(status: dict[str, Any]) -> bool:
    """Whether no process works on anything: a model is active until its process has let go of the job."""
    return not status["jobs"] and not any(model["active"] for model in status["models"])


def given_up(status: dict[str, Any]) -> float:
    return sum(float(sample["value"]) for sample in status["counters"]["requests"] if sample["code"] == "cancelled")


def used_seconds(served: RunningDaemon) -> float:
    """The processor time of all workers so far."""
    return sum(float(sum(worker.cpu_times()[:2])) for worker in psutil.Process(served.pid).children())


async def leave_in_the_middle(served: RunningDaemon, ask: Callable[[], Coroutine[object, object, object]]) -> None:
    """Ask for something, go away once it is being worked on, and see that this ends it."""
    before = await status_of(served)
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await until(served, works)
        group.cancel_scope.cancel()
    after = await until(served, rests)
    used_then = used_seconds(served)
    await anyio.sleep(0.5)

    assert used_seconds(served) - used_then < 0.25
    assert given_up(after) == given_up(before) + 1
    assert sum(model["loads"] for model in after["models"]) - sum(model["loads"] for model in before["models"]) <= 1


@pytest.mark.promise("openai:leaving")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("engine", ["mlx-vlm", "mlx-lm", "mlx-whisper", "mlx-audio", "mflux", "voice memo"])
async def test_work_for_a_client_that_closes_its_connection_stops(
    served: RunningDaemon, recording: Path, picture: Path, engine: str, stream: bool
) -> None:
    post = posts(recording, picture, stream=stream)[engine]
    heard = io.BytesIO()

    async def ask() -> None:
        async with (
            httpx2.AsyncClient(base_url=served.url, timeout=WAIT_SECONDS) as http,
            http.stream("POST", post.path, json=post.json, data=post.data, files=post.files) as answer,
        ):
            async for piece in answer.aiter_bytes():
                heard.write(piece)

    await leave_in_the_middle(served, ask)

    assert b"[DONE]" not in heard.getvalue()


@pytest.mark.promise("openai:leaving")
async def test_the_transcription_of_a_realtime_session_stops_with_it(served: RunningDaemon) -> None:
    said = np.tile(decode_samples(clip("two-sentences").file), 20)
    audio = base64.b64encode(resampled(said * 32767, RATE)).decode()
    settings = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}

    async def talk() -> None:
        address = f"{served.url.replace('http', 'ws', 1)}/v1/realtime?intent=transcription&model=stt-starter"
        async with websockets.connect(address) as connection:
            await connection.send(json.dumps({"type": "session.update", "session": settings}))
            await connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            async for _ in connection:
                pass

    await leave_in_the_middle(served, talk)


@pytest.mark.promise("mcp:leaving")
@pytest.mark.parametrize("face", ["stdio", "http"])
@pytest.mark.parametrize("tool", ["describe_image", "transcribe", "speak", "generate_image"])
async def test_work_of_a_tool_whose_call_is_cancelled_stops(
    served: RunningDaemon, recording: Path, picture: Path, tool: str, face: str
) -> None:
    works_on: dict[str, dict[str, object]] = {
        "describe_image": {"image": str(picture), "model": "sees", "max_tokens": 3500},
        "transcribe": {"audio": str(recording)},
        "speak": {"text": TEXT},
        "generate_image": {"prompt": "a star", "width": 128, "height": 128, "steps": 50, "count": 4},
    }

    async with connected(served, face) as client:
        await leave_in_the_middle(served, lambda: client.call_tool(tool, works_on[tool]))
