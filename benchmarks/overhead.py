"""What the runtime adds to a call: the same tiny chat through HTTP and in the bare library, in turn.

Both begin with the messages and end with the text; every question is new, so that nothing of it is known from before.
The client is the standard library's, on one connection: what a richer one takes for itself is nothing that the runtime
adds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.bare import library_environ
from benchmarks.lab import TINY, BenchmarkContext
from benchmarks.row import Row, median

ROUNDS = 200
WARM_ROUNDS = 10
MAX_TOKENS = 8
LIBRARY_SCRIPT = """
import sys, time
from mlx_lm import generate, load
model, tokenizer = load(sys.argv[1])
for question in sys.stdin:
    started = time.perf_counter()
    messages = [{"role": "user", "content": question.strip()}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    generate(model, tokenizer, prompt, max_tokens=int(sys.argv[2]))
    print((time.perf_counter() - started) * 1e3, flush=True)
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Compare medians of warm calls."""
    with (
        context.instance() as instance,
        _library_process(context.checkpoint(TINY)) as library,
        _connection(instance.url) as server,
    ):
        for number in range(WARM_ROUNDS):
            (
                _milliseconds_through_http(server, f"Warm up, {number}."),
                _milliseconds_in_library(library, f"Warm up, {number}."),
            )
        rounds = context.rounds(ROUNDS)
        questions = [f"{number}: say something." for number in range(rounds)]
        pairs = [
            (_milliseconds_through_http(server, question), _milliseconds_in_library(library, question))
            for question in questions
        ]
    ours, bare = (median([pair[side] for pair in pairs]) for side in (0, 1))
    how = f"{rounds} warm chats of {MAX_TOKENS} tokens with a tiny Llama, in turn with mlx_lm: template and generate"
    return [
        Row("warm chat p50", ours, "ms", None, how),
        Row("warm chat p50, bare library", bare, "ms", None, how),
        Row("overhead over the bare library", ours - bare, "ms", 3, how),
        Row("warm chat over the bare library", ours / bare, "×", None, how),
    ]


def _connection(url: str) -> "closing[HTTPConnection]":
    address = urlsplit(url)
    return closing(HTTPConnection(address.hostname or "", address.port, timeout=120))


def _milliseconds_through_http(server: HTTPConnection, question: str) -> float:
    message = {"role": "user", "content": question}
    body = {"model": TINY, "messages": [message], "max_tokens": MAX_TOKENS, "temperature": 0}
    started = time.perf_counter()
    server.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    response = server.getresponse()
    answer = json.load(response)
    took = (time.perf_counter() - started) * 1e3
    if response.status != HTTPStatus.OK:
        raise RuntimeError(f"HTTP {response.status}: {answer}")
    return took


@contextmanager
def _library_process(folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that answers every line it reads; it ends with its input."""
    command = [sys.executable, "-c", LIBRARY_SCRIPT, str(folder), str(MAX_TOKENS)]
    environ = {**os.environ, **library_environ()}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True) as child:
        yield child


def _milliseconds_in_library(library: "subprocess.Popen[str]", question: str) -> float:
    assert library.stdin is not None
    assert library.stdout is not None
    library.stdin.write(question + "\n")
    library.stdin.flush()
    return float(json.loads(library.stdout.readline()))
