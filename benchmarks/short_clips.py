"""How long a short recording waits behind a long one that the same model transcribes."""

import time
from collections.abc import Callable

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import Workload, transcription_workload

CLIPS_IN_A_WINDOW = 13
"""Thirty seconds of speech: the piece of a recording that is transcribed at once."""
WINDOWS = 4
"""Of a recording whose later windows tell how long one takes: the first knows no words before it, and is shorter."""
ROUNDS = 10


def measure(context: BenchmarkContext) -> list[Row]:
    """Transcribe short recordings alone and behind a recording of minutes, which is left at the end."""
    short = transcription_workload(clips=1)
    first, several = (transcription_workload(windows * CLIPS_IN_A_WINDOW) for windows in (1, WINDOWS))
    rounds = context.rounds(ROUNDS)
    with context.instance(spare=False) as instance:
        short.send(instance.url).body()
        alone = [_seconds(short.send(instance.url).body) for _ in range(rounds)]
        lasted = [
            (_seconds(several.send(instance.url).body), _seconds(first.send(instance.url).body)) for _ in range(2)
        ]
        window_seconds = median([(whole - one) / (WINDOWS - 1) for whole, one in lasted])
        behind = _seconds_behind_a_long_one(instance, short, rounds)
    target = window_seconds + max(alone)
    how = (
        f"worst of {rounds}, p50 {median(behind):.2f} s, while minutes of speech are transcribed; alone "
        f"{median(alone):.2f} s; at most a window of a long one ({window_seconds:.2f} s, 30 s of speech, the words before "
        f"being known) and its own time ({max(alone):.2f} s)"
    )
    return [Row("short recording behind a long one", max(behind), "s", round(target, 2), how)]


def _seconds_behind_a_long_one(instance: Instance, short: Workload, rounds: int) -> list[float]:
    long = short.send(instance.url, long=True, stream=True)
    next(long.events())  # a segment of its first window
    waits = [_seconds(short.send(instance.url).body) for _ in range(rounds)]
    is_running = any(job["state"] == "running" for job in instance.status()["jobs"])
    long.disconnect()
    if not is_running:
        raise RuntimeError("the long recording ended before the short ones")
    return waits


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
