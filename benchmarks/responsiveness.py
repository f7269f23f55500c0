"""Whether the daemon answers while everything is busy: a chat model loads, a picture is drawn, a recording is heard."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2

from benchmarks.instance import Instance
from benchmarks.lab import LARGE, BenchmarkContext
from benchmarks.row import Row, median, percentile
from benchmarks.works import CHAT_PATH, Workload, chat_fields, image_workload, transcription_workload

PROBE_SECONDS = 0.02
PATHS = ("/health", "/api/status")
ROUNDS = 3
TOKENS = 16
STEPS = 8
CLIPS = 5


def measure(context: BenchmarkContext) -> list[Row]:
    """Probe every few milliseconds from two threads while three cold models load and work at once."""
    waits: dict[str, list[float]] = {path: [] for path in PATHS}
    tasks = _workloads()
    rounds = context.rounds(ROUNDS)
    with context.instance() as instance:
        for _ in range(rounds):
            for task in tasks:
                instance.command(task.model, "stop")
            with probing(instance, waits):
                _run_concurrently(instance, tasks)
    how = (
        f"while {', '.join(task.model for task in tasks)} load and work at once, {rounds} times; cores shared with them"
    )
    return [row for path in PATHS for row in _rows(path, waits[path], how)]


def _workloads() -> list[Workload]:
    talk = Workload("mlx-lm", LARGE, CHAT_PATH, chat_fields("Say something.", TOKENS), {})
    return [talk, transcription_workload(CLIPS), image_workload(STEPS, side=256)]


def _run_concurrently(instance: Instance, tasks: list[Workload]) -> None:
    with ThreadPoolExecutor(len(tasks)) as pool:
        for answer in [pool.submit(task.send(instance.url).body) for task in tasks]:
            answer.result()


def _rows(path: str, waits: list[float], how: str) -> list[Row]:
    how_measured = f"{len(waits)} probes {how}"
    return [
        Row(f"{path} p50, everything busy", median(waits), "ms", None, how_measured),
        Row(f"{path} p99, everything busy", percentile(waits, 99), "ms", 20, how_measured),
        Row(f"{path} worst, everything busy", max(waits), "ms", None, how_measured),
    ]


@contextmanager
def probing(instance: Instance, waits: dict[str, list[float]]) -> Iterator[None]:
    done = threading.Event()
    probers = [threading.Thread(target=_probe, args=(instance.url + path, waits[path], done)) for path in waits]
    for prober in probers:
        prober.start()
    try:
        yield
    finally:
        done.set()
        for prober in probers:
            prober.join()


def _probe(url: str, waits: list[float], done: threading.Event) -> None:
    with httpx2.Client(timeout=60) as client:
        while not done.is_set():
            started = time.perf_counter()
            client.get(url).raise_for_status()
            waits.append((time.perf_counter() - started) * 1e3)
            time.sleep(PROBE_SECONDS)
