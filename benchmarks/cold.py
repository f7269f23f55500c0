"""The first call: eight at once need one load, and one that finds a spare process beats the library's own start."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bare import environ_of_bare
from benchmarks.instance import Instance
from benchmarks.lab import LARGE, TINY, Lab
from benchmarks.row import Row, median
from benchmarks.works import CHAT, Work, chat

CALLERS = 8
ROUNDS = 5
TOKENS = 8
QUESTION = "Say something."
SPARE_SECONDS = 30.0

BARE = """
import sys
from mlx_lm import load, stream_generate
model, tokenizer = load(sys.argv[1])
prompt = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[2]}], add_generation_prompt=True)
print(next(stream_generate(model, tokenizer, prompt, max_tokens=int(sys.argv[3]))).token, flush=True)
"""


def measure(lab: Lab) -> list[Row]:
    """Count loads and answers, then compare first tokens."""
    with lab.instance() as instance:
        return [*_at_once(instance), *(row for model in (TINY, LARGE) for row in _first_token(lab, instance, model))]


def asking(model: str) -> Work:
    """A short chat with a model."""
    return Work("mlx-lm", model, CHAT, chat(QUESTION, TOKENS), {})


def _at_once(instance: Instance) -> list[Row]:
    before = _loads(instance, TINY)
    with ThreadPoolExecutor(CALLERS) as pool:
        texts = list(pool.map(lambda _: _text(asking(TINY).send(instance.url).body()), range(CALLERS)))
    how = f"{CALLERS} chats at once to a model that is not loaded; /api/status"
    return [
        Row(f"{CALLERS} concurrent cold calls: loads", _loads(instance, TINY) - before, "", 1, how),
        Row(f"{CALLERS} concurrent cold calls: answers", sum(map(bool, texts)), "", CALLERS, how, at_least=True),
    ]


def _loads(instance: Instance, model: str) -> float:
    return float(next(told for told in instance.status()["models"] if told["name"] == model)["loads"])


def _text(body: bytes) -> str:
    return str(json.loads(body)["choices"][0]["message"]["content"])


def _first_token(lab: Lab, instance: Instance, model: str) -> list[Row]:
    """Both in turn, so that both meet the same disturbances."""
    ours, bare = [], []
    for _ in range(lab.rounds(ROUNDS)):
        _make_ready(instance, model)
        ours.append(_through_http(instance, model))
        bare.append(_in_fresh_process(lab, model))
    how = f"{len(ours)} chats in turn with processes that import mlx_lm, load and generate; {model}"
    return [
        Row(f"cold call with a spare process → first token, {model}", median(ours), "s", None, how),
        Row(f"fresh process of the bare library → first token, {model}", median(bare), "s", None, how),
        Row(f"cold call over a fresh process, {model}", median(ours) / median(bare), "×", 0.35, how),
    ]


def _make_ready(instance: Instance, model: str) -> None:
    """Have the model called and unloaded, and a spare process waiting for it."""
    asking(model).send(instance.url).body()
    instance.command(model, "stop")
    deadline = time.perf_counter() + SPARE_SECONDS
    while not instance.status()["memory"]["spare_is_ready"]:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"no spare process was ready within {SPARE_SECONDS:g} s")
        time.sleep(0.05)


def _through_http(instance: Instance, model: str) -> float:
    started = time.perf_counter()
    call = asking(model).send(instance.url, stream=True)
    next(event for event in call.events() if event["choices"] and event["choices"][0]["delta"].get("content"))
    took = time.perf_counter() - started
    call.leave()
    return took


def _in_fresh_process(lab: Lab, model: str) -> float:
    command = [sys.executable, "-c", BARE, str(lab.checkpoint(model)), QUESTION, str(TOKENS)]
    environ = {**os.environ, **environ_of_bare()}
    started = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as child:
        line = child.stdout.readline()  # type: ignore[union-attr]
        took = time.perf_counter() - started
    if not line.strip():
        raise RuntimeError(f"the bare library ended with {child.returncode}")
    return took
