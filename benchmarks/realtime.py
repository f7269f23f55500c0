"""How soon words come while somebody talks, and the whole sentence after its end, over /v1/realtime."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from tests.meaning.recordings import clip
from tests.meaning.sounds import SAMPLE_RATE, decode_samples

ROUNDS = 10
SENTENCES = (("red-circle-above-blue-square", 0.4, 2.24), ("another-unseen-voice", 0.4, 2.02))
"""Clips, and from when to when somebody talks in them: together three and a half seconds."""
BEFORE_SECONDS, AFTER_SECONDS, PIECE_SECONDS = 0.5, 2.0, 0.1
PAUSE_SECONDS = 0.5
"""The silence that ends a turn."""
RATE = 24_000
ADDRESS = "/v1/realtime?intent=transcription&model=stt-starter"
DELTA, COMPLETED = "transcription.delta", "transcription.completed"


@dataclass(frozen=True, slots=True)
class Take:
    """Seconds from the first sound to the first words, and from the last sound to the transcript."""

    first_delta: float
    transcript: float


def measure(context: BenchmarkContext) -> list[Row]:
    """Talk to the starter at the speed of speech."""
    rounds = context.rounds(ROUNDS)
    with context.instance(spare=False) as instance:
        takes = [talk(instance.url) for _ in range(rounds + 1)][1:]  # the first one loads the model
    how = f"median of {rounds}, {spoken_seconds():.1f} s of speech at its own pace in pieces of 0.1 s, stt-starter"
    first, whole = (median([getattr(take, name) for take in takes]) for name in ("first_delta", "transcript"))
    return [
        Row("first sound → first words", first, "s", None, f"{how}; two passes agree, one starts each second"),
        Row(
            "end of speech → transcript",
            whole,
            "s",
            1.5,
            f"{how}; {PAUSE_SECONDS} s of it is the pause that ends a turn",
        ),
    ]


def talk(url: str) -> Take:
    """Say the sentences once."""
    with connect(url.replace("http", "ws", 1) + ADDRESS, max_size=None) as connection:
        connection.recv(timeout=30)
        started = time.perf_counter()
        threading.Thread(target=send_paced, args=(connection, started), daemon=True).start()
        times = dict(reversed(list(timed_events(connection))))  # the first time of each kind
    begin, end = started + BEFORE_SECONDS, started + BEFORE_SECONDS + spoken_seconds()
    return Take(times.get(DELTA, times[COMPLETED]) - begin, times[COMPLETED] - end)


def timed_events(connection: ClientConnection) -> Iterator[tuple[str, float]]:
    """Yield the end of each event's type and when it came, up to the transcript."""
    kind = ""
    while kind != COMPLETED:
        event = json.loads(connection.recv(timeout=60))
        kind = event["type"].removeprefix("conversation.item.input_audio_")
        yield kind, time.perf_counter()


def send_paced(connection: ClientConnection, started: float) -> None:
    """Send each piece when it would have been recorded, until the transcript is there and the connection closed."""
    piece_bytes = int(PIECE_SECONDS * RATE) * 2
    with suppress(ConnectionClosed):
        for index in range(len(spoken()) // piece_bytes):
            time.sleep(max(0.0, started + (index + 1) * PIECE_SECONDS - time.perf_counter()))
            piece = base64.b64encode(spoken()[index * piece_bytes : (index + 1) * piece_bytes]).decode()
            connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))


@cache
def spoken() -> bytes:
    """Return what is said with silence around it, s16le at 24 kHz."""
    parts = [
        decode_samples(clip(name).file)[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
        for name, start, end in SENTENCES
    ]
    sound = np.concatenate(
        [np.zeros(int(BEFORE_SECONDS * SAMPLE_RATE)), *parts, np.zeros(int(AFTER_SECONDS * SAMPLE_RATE))]
    )
    places = np.arange(0, len(sound), SAMPLE_RATE / RATE)
    return bytes((np.interp(places, np.arange(len(sound)), sound) * 32767).astype("<i2").tobytes())


def spoken_seconds() -> float:
    """Return how long somebody talks."""
    return sum(end - start for _, start, end in SENTENCES)
