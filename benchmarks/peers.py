"""Other servers of the same models: those that come with the libraries, and those found in the environments of PEERS.

`PEERS` holds the pythons of virtual environments, separated as in PATH; README.md says how to make them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from benchmarks.bare import environ_of_bare
from benchmarks.instance import free_port

START_SECONDS = 90.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where chats are sent, and the name the model has there."""

    url: str
    model: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A server's command; `model` is how its option or argument for a checkpoint's folder is called."""

    name: str
    arguments: tuple[str, ...]
    model: tuple[str, ...] = ()
    module: str = ""
    """Where it is a module of our own environment; else `name` is a script of one in PEERS."""

    def command(self) -> list[str] | None:
        """How it is started; None where it is not installed."""
        if self.module:
            return [sys.executable, "-m", self.module, *self.arguments]
        pythons = filter(None, os.environ.get("PEERS", "").split(os.pathsep))
        scripts = (Path(python).with_name(self.name) for python in pythons)
        return next(([str(script), *self.arguments] for script in scripts if script.exists()), None)


PEERS = (
    Peer("mlx_lm.server", (), ("--model",), "mlx_lm.server"),
    Peer("mlx_vlm.server", (), ("--model",), "mlx_vlm.server"),
    Peer("rapid-mlx", ("serve",)),
    Peer("vllm-mlx", ("serve", "--continuous-batching")),
    Peer("mlx-openai-server", ("launch", "--model-type", "lm"), ("--model-path",)),
)


@contextmanager
def serving(peer: Peer, folder: Path) -> Iterator[Server]:
    """Run a peer on a port of its own, and end it with all its children.

    Raises:
        RuntimeError: it is not installed, or ended by itself.
        TimeoutError: it did not answer.
    """
    command = peer.command()
    if command is None:
        raise RuntimeError("not installed")
    port = free_port()
    command += [*peer.model, str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / f"{peer.name}.log").open("wb") as log:
        child = subprocess.Popen(command, env=_environ(), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _wait(f"http://127.0.0.1:{port}", child, folder)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {_last_line(folder / f'{peer.name}.log')}") from error
        finally:
            _end(psutil.Process(child.pid))
            child.wait()


def _environ() -> Mapping[str, str]:
    return {**os.environ, **environ_of_bare()}


def _wait(url: str, child: "subprocess.Popen[bytes]", folder: Path) -> Server:
    deadline = time.perf_counter() + START_SECONDS
    while time.perf_counter() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"it ended with {child.returncode}")
        try:
            httpx2.get(f"{url}/v1/models", timeout=5).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return Server(url, str(folder))
    raise TimeoutError(f"no answer within {START_SECONDS:g} s")


def _end(process: psutil.Process) -> None:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    process.terminate()
    _, alive = psutil.wait_procs(family, STOP_SECONDS)
    for left in alive:
        left.kill()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
