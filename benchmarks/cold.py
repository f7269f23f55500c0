"""The first call: eight at once need one load, and one that finds a spare process beats the library's own start."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bare import library_environ
from benchmarks.instance import Instance
from benchmarks.lab import LARGE, TINY, BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import CHAT_PATH, Workload, chat_fields

CONCURRENT_CALLS = 8
ROUNDS = 5
TOKENS = 8
QUESTION = "Say something."
SPARE_TIMEOUT_SECONDS = 30.0

LIBRARY_SCRIPT = """
import sys
from mlx_lm import load, stream_generate
model, tokenizer = load(sys.argv[1])
prompt = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[2]}], add_generation_prompt=True)
print(next(stream_generate(model, tokenizer, prompt, max_tokens=int(sys.argv[3]))).token, flush=True)
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Count loads and answers, then compare first tokens."""
    with context.instance() as instance:
        return [
            *_concurrent_cold_calls(instance),
            *(row for model in (TINY, LARGE) for row in _first_token(context, instance, model)),
        ]


def short_chat(model: str) -> Workload:
    """A short chat with a model."""
    return Workload("mlx-lm", model, CHAT_PATH, chat_fields(QUESTION, TOKENS), {})


def _concurrent_cold_calls(instance: Instance) -> list[Row]:
    before = _load_count(instance, TINY)
    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        texts = list(
            pool.map(lambda _: _answer_text(short_chat(TINY).send(instance.url).body()), range(CONCURRENT_CALLS))
        )
    how = f"{CONCURRENT_CALLS} chats at once to a model that is not loaded; /api/status"
    return [
        Row(f"{CONCURRENT_CALLS} concurrent cold calls: loads", _load_count(instance, TINY) - before, "", 1, how),
        Row(
            f"{CONCURRENT_CALLS} concurrent cold calls: answers",
            sum(map(bool, texts)),
            "",
            CONCURRENT_CALLS,
            how,
            at_least=True,
        ),
    ]


def _load_count(instance: Instance, model: str) -> float:
    return float(
        next(model_status for model_status in instance.status()["models"] if model_status["name"] == model)["loads"]
    )


def _answer_text(body: bytes) -> str:
    return str(json.loads(body)["choices"][0]["message"]["content"])


def _first_token(context: BenchmarkContext, instance: Instance, model: str) -> list[Row]:
    """Both in turn, so that both meet the same disturbances."""
    ours, bare = [], []
    for _ in range(context.rounds(ROUNDS)):
        _unload_and_await_spare(instance, model)
        ours.append(_seconds_through_http(instance, model))
        bare.append(_seconds_in_fresh_process(context, model))
    how = f"{len(ours)} chats in turn with processes that import mlx_lm, load and generate; {model}"
    return [
        Row(f"cold call with a spare process → first token, {model}", median(ours), "s", None, how),
        Row(f"fresh process of the bare library → first token, {model}", median(bare), "s", None, how),
        Row(f"cold call over a fresh process, {model}", median(ours) / median(bare), "×", 0.35, how),
    ]


def _unload_and_await_spare(instance: Instance, model: str) -> None:
    """Have the model called and unloaded, and a spare process waiting for it."""
    short_chat(model).send(instance.url).body()
    instance.command(model, "stop")
    deadline = time.perf_counter() + SPARE_TIMEOUT_SECONDS
    while not instance.status()["memory"]["spare_is_ready"]:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"no spare process was ready within {SPARE_TIMEOUT_SECONDS:g} s")
        time.sleep(0.05)


def _seconds_through_http(instance: Instance, model: str) -> float:
    started = time.perf_counter()
    call = short_chat(model).send(instance.url, stream=True)
    next(event for event in call.events() if event["choices"] and event["choices"][0]["delta"].get("content"))
    took = time.perf_counter() - started
    call.disconnect()
    return took


def _seconds_in_fresh_process(context: BenchmarkContext, model: str) -> float:
    command = [sys.executable, "-c", LIBRARY_SCRIPT, str(context.checkpoint(model)), QUESTION, str(TOKENS)]
    environ = {**os.environ, **library_environ()}
    started = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as child:
        line = child.stdout.readline()  # type: ignore[union-attr]
        took = time.perf_counter() - started
    if not line.strip():
        raise RuntimeError(f"the bare library ended with {child.returncode}")
    return took
