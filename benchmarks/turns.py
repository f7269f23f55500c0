"""A chat that goes on: how long until its second answer begins, over the same words in a model that knows nothing."""

import time

from benchmarks.instance import Instance
from benchmarks.lab import LARGE, Lab
from benchmarks.row import Row, median
from benchmarks.works import CHAT, Work

ROUNDS = 5
TOKENS = 16
SENTENCES = 60


def measure(lab: Lab) -> list[Row]:
    """Ask a long question and then another one after its answer; then both again in a process of their own."""
    with lab.instance() as instance:
        pairs = [_pair(instance, number) for number in range(lab.rounds(ROUNDS))]
    on, anew = (median([pair[side] for pair in pairs]) for side in (0, 1))
    how = (
        f"second turn of {len(pairs)} chats of {SENTENCES} sentences with the 30 M Llama; anew: after offload and load"
    )
    return [
        Row("a chat goes on → first token", on, "s", None, how),
        Row("the same chat read anew → first token", anew, "s", None, how),
        Row("a chat that goes on over one read anew", on / anew, "×", None, how),
    ]


def _pair(instance: Instance, number: int) -> tuple[float, float]:
    letter = f"Letter {number}. " + " ".join(f"Sentence {line} of it says little." for line in range(SENTENCES))
    asked = [{"role": "user", "content": letter}]
    _, answer = _ask(instance, asked)
    asked += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And?"}]
    on, _ = _ask(instance, asked)
    instance.command(LARGE, "stop")
    _ask(instance, [{"role": "user", "content": "Load."}])
    return on, _ask(instance, asked)[0]


def _ask(instance: Instance, messages: list[dict[str, str]]) -> tuple[float, str]:
    """Seconds until an answer begins, and all of it."""
    fields = {"messages": messages, "max_tokens": TOKENS, "temperature": 0}
    started, first, text = time.perf_counter(), 0.0, ""
    for event in Work("mlx-lm", LARGE, CHAT, fields, {}).send(instance.url, stream=True).events():
        first = first or time.perf_counter() - started
        text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return first, text
