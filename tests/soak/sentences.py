"""One worker speaks many sentences: its memory stays flat, and the last sentences take as long as the first."""

import statistics
import time
from dataclasses import dataclass

import openai
import psutil

from benchmarks.instance import Instance

GROWTH_MB = 20.0
SLOWDOWN_SHARE = 0.1
SAMPLE_SHARE = 0.1
"""The part of all sentences that counts as the first and as the last, after as many to warm up."""
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
    median_seconds: tuple[float, float]
    """Of the first and of the last sentences."""
    workers: int
    """How many processes spoke."""


def speak_sentences(instance: Instance, count: int) -> SpokenSentences:
    """Speak `count` sentences one after another over HTTP."""
    seconds, memory, workers = [], [], set[int]()
    with openai.OpenAI(base_url=f"{instance.url}/v1", api_key="none", max_retries=0) as client:
        for number in range(count):
            started = time.perf_counter()
            client.audio.speech.create(model="tts-starter", voice="alloy", input=SENTENCES[number % len(SENTENCES)])
            seconds.append(time.perf_counter() - started)
            children = instance.process.children()
            workers.update(child.pid for child in children)
            memory.append(sum(_resident_mb(child) for child in children))
    sample = max(len(SENTENCES), int(count * SAMPLE_SHARE))
    first, last = slice(sample, 2 * sample), slice(-sample, None)
    return SpokenSentences(
        (statistics.median(memory[first]), statistics.median(memory[last])),
        (statistics.median(seconds[first]), statistics.median(seconds[last])),
        len(workers),
    )


def find_sentence_faults(spoken: SpokenSentences) -> list[str]:
    """Return a clause per broken promise."""
    growth_mb = spoken.resident_mb[1] - spoken.resident_mb[0]
    first, last = spoken.median_seconds
    clause_is_true = {
        f"the worker grew by {growth_mb:.1f} MB while it spoke, more than {GROWTH_MB:g}": growth_mb > GROWTH_MB,
        f"the last sentences took {last:.2f} s, the first {first:.2f} s": last > first * (1 + SLOWDOWN_SHARE),
        f"{spoken.workers} workers spoke instead of one": spoken.workers != 1,
    }
    return [clause for clause, is_true in clause_is_true.items() if is_true]


def _resident_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6
