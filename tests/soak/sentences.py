"""One worker speaks many sentences: its memory stays flat, and the last sentences cost as much as the first."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import openai
import psutil

from benchmarks.instance import Instance

GROWTH_MB = 20.0
CHANGE_SHARE = 0.1
SAMPLE = 50
"""How many sentences count as the first, after as many to warm up, and as the last."""
SENTENCES = (
    "Draw a red circle above a blue square.",
    "Good morning.",
    "Please open the file and read the message.",
    "Three green stars are on a white background.",
)


@dataclass(frozen=True, slots=True)
class SpokenSentences:
    """What many sentences in one worker took."""

    resident_mb: tuple[float, float]
    """Memory of the worker after the first and after the last sentences."""
    cpu_seconds: tuple[float, float]
    """Of the worker for four sentences in a row, the median of the first and of the last. This is compared."""
    wall_seconds: tuple[float, float]
    """The same as the client measures it; on a busy machine it depends on other programs."""
    workers: int
    """How many processes spoke."""


def speak_sentences(instance: Instance, count: int) -> SpokenSentences:
    """Speak `count` sentences one after another over HTTP."""
    cpu, wall, memory, workers = [], [], [], set[int]()
    with openai.OpenAI(base_url=f"{instance.url}/v1", api_key="none", max_retries=0) as client:
        for number in range(count):
            client.audio.speech.create(model="tts-starter", voice="alloy", input=SENTENCES[number % len(SENTENCES)])
            wall.append(time.perf_counter())
            children = instance.process.children()
            workers.update(child.pid for child in children)
            cpu.append(sum(_cpu_seconds(child) for child in children))
            memory.append(sum(_resident_mb(child) for child in children))
    first, last = slice(SAMPLE, 2 * SAMPLE), slice(-SAMPLE, None)
    return SpokenSentences(
        (statistics.median(memory[first]), statistics.median(memory[last])),
        (median_of_rounds(cpu[first]), median_of_rounds(cpu[last])),
        (median_of_rounds(wall[first]), median_of_rounds(wall[last])),
        len(workers),
    )


def median_of_rounds(clock: Sequence[float]) -> float:
    """Return the median time of as many sentences in a row as there are; `clock` is a time after each sentence."""
    size = len(SENTENCES)
    return statistics.median(after - before for before, after in zip(clock, clock[size:], strict=False))


def find_sentence_faults(spoken: SpokenSentences) -> list[str]:
    """Return a clause per broken promise."""
    growth_mb = spoken.resident_mb[1] - spoken.resident_mb[0]
    first, last = spoken.cpu_seconds
    clause_is_true = {
        f"the worker grew by {growth_mb:.1f} MB while it spoke, more than {GROWTH_MB:g}": growth_mb > GROWTH_MB,
        f"the last sentences took {last:.2f} s of the processor, the first {first:.2f} s": (
            abs(last - first) > first * CHANGE_SHARE
        ),
        f"{spoken.workers} workers spoke instead of one": spoken.workers != 1,
    }
    return [clause for clause, is_true in clause_is_true.items() if is_true]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _resident_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6
