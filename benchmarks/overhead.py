"""What the runtime adds to a call: the same tiny chat through HTTP and in the bare library, in the same run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from benchmarks.instance import Instance
from benchmarks.row import Row, median

ROUNDS = 40
MAX_TOKENS = 8
QUESTION = "Say something."

BARE = """
import json, sys, time
from model_runtime.engines import blas
blas.load_fast_blas()
from mlx_lm import generate, load
model, tokenizer = load(sys.argv[1])
prompt = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[2]}], add_generation_prompt=True)
times = []
for _ in range(int(sys.argv[3])):
    started = time.perf_counter()
    generate(model, tokenizer, prompt, max_tokens=int(sys.argv[4]))
    times.append((time.perf_counter() - started) * 1e3)
print(json.dumps(times[5:]))
"""


def measure(instance: Instance, model: str, folder: Path) -> list[Row]:
    """Compare medians of warm calls."""
    ours, bare = median(_through_http(instance.url, model)), median(_in_library(folder))
    how = f"{ROUNDS} warm chats of {MAX_TOKENS} tokens with a tiny scripted Llama; HTTP against mlx_lm.generate"
    return [
        Row("warm chat p50", ours, "ms", None, how),
        Row("warm chat p50, bare library", bare, "ms", None, how),
        Row("overhead over the bare library", ours - bare, "ms", None, how),
        Row("warm chat over the bare library", ours / bare, "×", None, how),
    ]


def _through_http(url: str, model: str) -> list[float]:
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": MAX_TOKENS}
    times = []
    with httpx2.Client(timeout=120) as client:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            client.post(f"{url}/v1/chat/completions", json=body | {"temperature": 0}).raise_for_status()
            times.append((time.perf_counter() - started) * 1e3)
    return times[5:]


def _in_library(folder: Path) -> list[float]:
    command = [sys.executable, "-c", BARE, str(folder), QUESTION, str(ROUNDS), str(MAX_TOKENS)]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    output = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    times: list[float] = json.loads(output.splitlines()[-1])
    return times
