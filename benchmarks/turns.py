"""A chat that goes on: how long until its second answer begins, over the same words in a model that knows nothing."""

import time

from benchmarks.instance import Instance
from benchmarks.lab import LARGE, BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import CHAT_PATH, Workload

ROUNDS = 5
TOKENS = 16
SENTENCES = 60


def measure(context: BenchmarkContext) -> list[Row]:
    """Ask a long question and then another one after its answer; then both again in a process of their own."""
    with context.instance() as instance:
        pairs = [_continued_and_anew_seconds(instance, number) for number in range(context.rounds(ROUNDS))]
    continued, anew = (median([pair[side] for pair in pairs]) for side in (0, 1))
    how = (
        f"second turn of {len(pairs)} chats of {SENTENCES} sentences with the 30 M Llama; anew: after offload and load"
    )
    return [
        Row("a chat goes on → first token", continued, "s", None, how),
        Row("the same chat read anew → first token", anew, "s", None, how),
        Row("a chat that goes on over one read anew", continued / anew, "×", None, how),
    ]


def _continued_and_anew_seconds(instance: Instance, number: int) -> tuple[float, float]:
    letter = f"Letter {number}. " + " ".join(f"Sentence {line} of it says little." for line in range(SENTENCES))
    messages = [{"role": "user", "content": letter}]
    _, answer = _first_token_seconds(instance, messages)
    messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And?"}]
    continued_seconds, _ = _first_token_seconds(instance, messages)
    instance.command(LARGE, "stop")
    _first_token_seconds(instance, [{"role": "user", "content": "Load."}])
    return continued_seconds, _first_token_seconds(instance, messages)[0]


def _first_token_seconds(instance: Instance, messages: list[dict[str, str]]) -> tuple[float, str]:
    """Seconds until an answer begins, and all of it."""
    fields = {"messages": messages, "max_tokens": TOKENS, "temperature": 0}
    started, first, text = time.perf_counter(), 0.0, ""
    for event in Workload("mlx-lm", LARGE, CHAT_PATH, fields, {}).send(instance.url, stream=True).events():
        first = first or time.perf_counter() - started
        text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return first, text
