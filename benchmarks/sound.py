"""Sound over HTTP: how soon a text is heard, what its format costs, and how fast a long upload is decoded."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import SPEECH_PATH
from model_runtime.media.speech_encoder import SpeechEncoder

ROUNDS = 20
RATE = 24_000
MODEL = "tts-starter"
TEXT = "Draw a red circle above a star. Put a blue square on the left. Then count from one to nine."
FORMATS = ("mp3", "opus", "aac", "flac")
TIMEOUT_SECONDS = 120
MINUTES = 10

DECODING_SCRIPT = """
import asyncio, io, json, resource, sys, tempfile, time
from pathlib import Path
import av, numpy as np
from model_runtime.decoding.decoder import MediaDecoder

def m4a(seconds):
    file = io.BytesIO()
    with av.open(file, "w", format="ipod") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        noise = np.random.default_rng(1).normal(0, 3000, (1, 48000 * 10)).astype("<i2")
        fifo = av.AudioResampler(stream.format, "mono", 48000, stream.codec_context.frame_size)
        for _ in range(seconds // 10):
            frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
            frame.sample_rate = 48000
            for piece in fifo.resample(frame):
                out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()

async def tick(gaps):
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now

def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

async def main(rounds, seconds):
    decoder, recording, results = MediaDecoder(512_000_000, Path(tempfile.mkdtemp())), m4a(seconds), []
    await decoder.decode_audio(recording, param="file")
    for _ in range(rounds):
        gaps = []
        ticker = asyncio.create_task(tick(gaps))
        await asyncio.sleep(0.05)
        started, cpu = time.perf_counter(), cpu_seconds()
        audio = await decoder.decode_audio(recording, param="file")
        results.append((seconds / (time.perf_counter() - started), max(gaps) * 1e3, cpu_seconds() - cpu))
        ticker.cancel()
        assert abs(audio.duration_seconds - seconds) < 1
    print(json.dumps(results))

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Speak three sentences in turn in every format, then decode an upload in a fresh process."""
    rounds = context.rounds(ROUNDS)
    with context.instance(spare=False) as instance:
        speak(instance, "pcm")
        times = [speak(instance, "mp3") for _ in range(rounds)]
        alternating = [{name: speak(instance, name)[1] for name in ("pcm", *FORMATS)} for _ in range(rounds)]
        pcm = speech_samples(instance)
    encoders = {name: encoder_seconds(name, pcm, rounds) for name in FORMATS}
    return [*_first_byte_rows(times), *_format_rows(alternating, encoders), *_decoding_rows(context.rounds(5))]


def speak(instance: Instance, audio_format: str) -> tuple[float, float]:
    """Return the seconds to the first byte of the speech and to its last."""
    fields = {"model": MODEL, "input": TEXT, "response_format": audio_format}
    return seconds_to_first_and_last(instance.url + SPEECH_PATH, json=fields)


def speech_samples(instance: Instance) -> bytes:
    """Return the speech as mono s16le at 24 kHz."""
    fields = {"model": MODEL, "input": TEXT, "response_format": "pcm"}
    return httpx2.post(instance.url + SPEECH_PATH, json=fields, timeout=TIMEOUT_SECONDS).raise_for_status().content


def seconds_to_first_and_last(url: str, **request: Any) -> tuple[float, float]:
    """Post a request and return the seconds to the first and the last byte of its answer.

    Raises:
        httpx2.HTTPError: it fails.
        RuntimeError: it is empty.
    """
    first = 0.0
    started = time.perf_counter()
    with httpx2.stream("POST", url, timeout=TIMEOUT_SECONDS, **request) as answer:
        answer.raise_for_status()
        for _ in answer.iter_raw():
            first = first or time.perf_counter() - started
    if not first:
        raise RuntimeError(f"{url} answered nothing")
    return first, time.perf_counter() - started


def _first_byte_rows(times: list[tuple[float, float]]) -> list[Row]:
    first, whole = (median([pair[side] for pair in times]) for side in (0, 1))
    how = f"median of {len(times)}, {MODEL}, loaded, three sentences as MP3 over HTTP"
    return [
        Row("first byte of speech", first * 1e3, "ms", None, how),
        Row("first byte of speech over the whole", first / whole, "×", 0.4, how),
    ]


def _format_rows(rounds: Sequence[Mapping[str, float]], encoders: Mapping[str, float]) -> list[Row]:
    """The encoder runs beside the synthesis of the next sentence: what counts is how much later the end comes."""
    later = f"how much later than raw samples the same speech ends, median of {len(rounds)} in turn"
    return [
        Row(
            f"speech as {name} over synthesis",
            median([one[name] / one["pcm"] - 1 for one in rounds]) * 100,
            "%",
            2,
            f"{later}; the encoder alone takes {encoders[name] * 1e3:.1f} ms of a processor for a second of speech",
        )
        for name in FORMATS
    ]


def encoder_seconds(audio_format: str, pcm: bytes, rounds: int) -> float:
    """Return the processor time that encoding a second of speech takes, the shortest of some."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        encoder = SpeechEncoder(audio_format, RATE)
        encoder.feed(pcm)
        encoder.close()
        times.append((time.process_time() - started) / (len(pcm) / 2 / RATE))
    return min(times)


def _decoding_rows(rounds: int) -> list[Row]:
    command = [sys.executable, "-c", DECODING_SCRIPT, str(rounds), str(MINUTES * 60)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    speeds, gaps, cpu = zip(*json.loads(printed.splitlines()[-1]), strict=True)
    how = (
        f"{rounds} times, an M4A of {MINUTES} minutes at 48 kHz, in the decoder's process; {median(cpu):.2f} CPU "
        "seconds, which tell more on a busy machine"
    )
    return [
        Row(f"decoding of {MINUTES} minutes", median(speeds), "× real time", 200, how, at_least=True),
        Row(f"longest gap of the event loop, decoding {MINUTES} minutes", max(gaps), "ms", 20, how),
    ]
