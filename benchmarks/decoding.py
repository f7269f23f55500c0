"""Memory of the daemon while large pictures and recordings are decoded, and what stays of it."""

import asyncio
import base64
import io
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import httpx2
import psutil

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row
from benchmarks.works import CHAT_PATH

PICTURES, SIDE = 8, 10_000
RECORDINGS, HOURS = 4, 4
LIMIT_MB = 512
PEAK_TARGET_MB = LIMIT_MB + 150
LEFT_TARGET_MB = 20
TIMEOUT_SECONDS = 900
SAMPLE_SECONDS = 0.02
SETTLE_SECONDS = 5.0


def measure(context: BenchmarkContext) -> list[Row]:
    """Send pictures of 100 megapixels, then recordings of four hours, all at once; small ones before warm the daemon up."""
    with context.instance(spare=False) as instance:
        asyncio.run(_ask_about(instance, [_png(64)]))
        asyncio.run(_transcribe_until_decoded(instance, [_silence(2.0)]))
        time.sleep(SETTLE_SECONDS)
        pictures = _rows(instance, f"{PICTURES} PNGs of 100 MP", _ask_about(instance, [_png(SIDE)] * PICTURES))
        silence = _silence(HOURS * 3600.0)
        recordings = _transcribe_until_decoded(instance, [silence] * RECORDINGS)
        return [*pictures, *_rows(instance, f"{RECORDINGS} FLACs of {HOURS} h", recordings)]


def _rows(instance: Instance, name: str, work: Coroutine[Any, Any, None]) -> list[Row]:
    before = instance.process.memory_info().rss / 1e6
    with _sampling(instance.process) as peaks:
        asyncio.run(work)
    time.sleep(SETTLE_SECONDS)
    after = instance.process.memory_info().rss / 1e6
    how = f"daemon {before:.0f} MB before; decoder processes take {peaks[1]:.0f} MB at most beside it"
    return [
        Row(f"peak RSS of the daemon, {name} at once", peaks[0], "MB", PEAK_TARGET_MB, how),
        Row(f"daemon RSS after minus before, {name}", after - before, "MB", LEFT_TARGET_MB, how),
    ]


async def _ask_about(instance: Instance, pictures: Sequence[bytes]) -> None:
    async with httpx2.AsyncClient(base_url=instance.url, timeout=TIMEOUT_SECONDS) as client:
        answers = await asyncio.gather(*(client.post(CHAT_PATH, json=_question(picture)) for picture in pictures))
    for answer in answers:
        answer.raise_for_status()


def _question(picture: bytes) -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "vlm-starter", "max_tokens": 4, "messages": [{"role": "user", "content": content}]}


async def _transcribe_until_decoded(instance: Instance, recordings: Sequence[bytes]) -> None:
    """Send the recordings, and hang up once all are decoded and wait for the model or have been answered."""
    async with httpx2.AsyncClient(base_url=instance.url, timeout=TIMEOUT_SECONDS) as client:
        calls = [asyncio.create_task(_transcribe(client, recording)) for recording in recordings]
        while sum(call.done() for call in calls) + await _open_jobs(client) < len(calls):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
        for call in calls:
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call


async def _transcribe(client: httpx2.AsyncClient, recording: bytes) -> None:
    files, fields = {"file": ("silence.flac", recording)}, {"model": "stt-starter"}
    (await client.post("/v1/audio/transcriptions", files=files, data=fields)).raise_for_status()


async def _open_jobs(client: httpx2.AsyncClient) -> int:
    return len((await client.get("/api/status")).json()["jobs"])


@contextmanager
def _sampling(daemon: psutil.Process) -> Iterator[list[float]]:
    """Yield the highest resident memory in MB of the daemon, and of all its decoder processes together."""
    peaks, stopped = [0.0, 0.0], Event()

    def sample() -> None:
        while not stopped.wait(SAMPLE_SECONDS):
            peaks[0] = max(peaks[0], daemon.memory_info().rss / 1e6)
            peaks[1] = max(peaks[1], sum(map(_decoder_bytes, daemon.children())) / 1e6)

    sampler = Thread(target=sample)
    sampler.start()
    try:
        yield peaks
    finally:
        stopped.set()
        sampler.join()


def _decoder_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss) if "model_runtime.decoding" in process.cmdline() else 0
    except psutil.Error:
        return 0


def _png(side: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, "PNG")
    return file.getvalue()


def _silence(seconds: float) -> bytes:
    """Return a FLAC of silence."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=16_000)
        frame.sample_rate = 16_000
        frame.planes[0].update(bytes(32_000))
        for second in range(int(seconds)):
            frame.pts = second * 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
