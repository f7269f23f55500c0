"""Processes that work with a library in the way of Senses' own: one line read, one line of seconds written."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bare import library_environ
from benchmarks.peers import find_python

CHECKOUT = Path(__file__).parents[1]
WHISPER = """
import sys, time, wave
import numpy as np
import mlx_whisper
def samples(path):
    with wave.open(path) as opened:
        return np.frombuffer(opened.readframes(opened.getnframes()), np.int16).astype(np.float32) / 32768
def work(line):
    mlx_whisper.transcribe(samples(line), path_or_hf_repo=sys.argv[1], language="en", temperature=0, fp16=False)
from mlx_whisper.transcribe import ModelHolder
import mlx.core as mx
load = lambda: ModelHolder.get_model(sys.argv[1], mx.float32)
"""
KOKORO = """
import sys, time
from pathlib import Path
import mlx.core as mx
from model_runtime.engines.speech.mlx_audio_loading import load_mlx_audio_model
from model_runtime.engines.dtype import evaluate_weights
folder, voice, phonemes = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def load():
    global model, style
    model = evaluate_weights(load_mlx_audio_model(folder))
    style = next(iter(mx.load(str(folder / "voices" / f"{voice}.safetensors")).values())).astype(mx.float32)
def work(line):
    mx.eval(model(phonemes, style[len(phonemes) - 1], 1.0))
"""
SMOLLM2 = """
import sys, time
from mlx_lm import generate, load as load_model
def load():
    global model, tokenizer
    model, tokenizer = load_model(sys.argv[1])
def work(line):
    messages = [{"role": "user", "content": line}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    generate(model, tokenizer, prompt, max_tokens=int(sys.argv[2]))
"""
LOOP = """
def timed(call, *given):
    started = time.perf_counter()
    call(*given)
    print(time.perf_counter() - started, flush=True)
timed(load)
for line in map(str.strip, sys.stdin):
    timed(work, line)
"""


class Library:
    """A library with a loaded model in a process of its own. `load_seconds` is what loading took, without imports."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self.load_seconds = self._read()

    def seconds(self, line: str = "") -> float:
        """Work once, and return how long that took."""
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return self._read()

    def _read(self) -> float:
        """Return the next line; libraries print lines of their own as well."""
        assert self._child.stdout is not None
        for line in self._child.stdout:
            try:
                return float(line)
            except ValueError:
                continue
        raise RuntimeError(f"the library ended with {self._child.wait()}")


@contextmanager
def bare_library(script: str, *arguments: str) -> Iterator[Library]:
    """Run the library that Senses itself uses, without Senses."""
    environ = {**os.environ, **library_environ()}
    with _running([sys.executable, "-c", script + LOOP, *arguments], environ) as library:
        yield library


@contextmanager
def other_library(package: str) -> Iterator[Library]:
    """Run another library, in the environment of PEERS that has it.

    Raises:
        RuntimeError: none has it.
    """
    python = find_python(package)
    if python is None:
        raise RuntimeError("not installed; tests/real_models/references/__init__.py says how")
    command = [str(python), "-m", "tests.real_models.references.pace", package]
    with _running(command, {**os.environ, "PYTHONPATH": str(CHECKOUT)}) as library:
        yield library


@contextmanager
def _running(command: Sequence[str], environ: dict[str, str]) -> Iterator[Library]:
    """A process that ends with its input."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=CHECKOUT, env=environ, stdin=pipe, stdout=pipe, text=True) as child:
        yield Library(child)
