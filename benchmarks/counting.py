"""Counting the tokens of a conversation: for a model that is not loaded, the first time and again, and for a loaded one."""

import time

import httpx2

from benchmarks.instance import Instance
from benchmarks.lab import LARGE, BenchmarkContext
from benchmarks.row import Row, median

ROUNDS = 20
MESSAGES_PATH = "/v1/messages"
LETTER = "Every sentence of this letter says little. " * 60


def measure(context: BenchmarkContext) -> list[Row]:
    """Count before and after the model is loaded."""
    rounds = context.rounds(ROUNDS)
    with context.instance(spare=False) as instance:
        first = _seconds(instance, f"{MESSAGES_PATH}/count_tokens", "first")
        again = median([_seconds(instance, f"{MESSAGES_PATH}/count_tokens", str(n)) for n in range(rounds)])
        _seconds(instance, MESSAGES_PATH, "load", max_tokens=1)
        loaded = median([_seconds(instance, f"{MESSAGES_PATH}/count_tokens", str(n)) for n in range(rounds)])
    how = f"{rounds} counts of 60 sentences for the 30 M Llama"
    return [
        Row(
            "first count for a model that is not loaded", first, "s", 4, "one count, in a process that reads no weights"
        ),
        Row("each further count for it", again * 1e3, "ms", 100, how),
        Row("count by a loaded model", loaded * 1e3, "ms", 100, how),
    ]


def _seconds(instance: Instance, path: str, title: str, **fields: int) -> float:
    body = {"model": LARGE, "messages": [{"role": "user", "content": f"{title}: {LETTER}"}], **fields}
    started = time.perf_counter()
    httpx2.post(f"{instance.url}{path}", json=body, timeout=120).raise_for_status()
    return time.perf_counter() - started
