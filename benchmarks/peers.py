"""Other servers of the same models: of the libraries we use ourselves, and those found in the environments of PEERS.

`PEERS` holds the pythons of virtual environments, separated as in PATH; README.md says how to make them.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from benchmarks.bare import library_environ
from benchmarks.instance import free_port, wait_for

POLL_SECONDS = 0.1
START_TIMEOUT_SECONDS = 90.0
STOP_TIMEOUT_SECONDS = 20.0
ANSI_CODES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Server:
    """Where chats are sent, and the name the model has there."""

    url: str
    model: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server's script and arguments. `folder_options` precede the checkpoint's folder."""

    name: str
    arguments: tuple[str, ...] = ()
    folder_options: tuple[str, ...] = ()
    required_module: str = ""
    """A module that our own environment may lack."""
    takes_folder: bool = True
    """Whether it serves one checkpoint; else requests name theirs."""

    def python(self) -> Path | None:
        """The environment it is in, our own if possible; None where it is not installed."""
        own = [] if self.required_module and find_spec(self.required_module) is None else [sys.executable]
        pythons = map(Path, [*own, *filter(None, os.environ.get("PEERS", "").split(os.pathsep))])
        return next((python for python in pythons if self.version(python)), None)

    def version(self, python: Path) -> str:
        """Which version is installed there; "" where none is. Scripts of the same name may be somebody else's."""
        package = self.name.split(".")[0].replace("-", "_")
        found = python.parent.parent.glob(f"lib/python*/site-packages/{package}-*.dist-info")
        return next((folder.name.removesuffix(".dist-info").partition("-")[2] for folder in found), "")

    def command(self, python: Path, folder: Path, port: int) -> list[str]:
        """How it is started."""
        script = str(python.absolute().with_name(self.name))
        checkpoint = [*self.folder_options, str(folder)] if self.takes_folder else []
        return [script, *self.arguments, *checkpoint, "--host", "127.0.0.1", "--port", str(port)]


PEERS = (
    Peer("mlx_lm.server", folder_options=("--model",)),
    Peer("mlx_vlm.server", folder_options=("--model",), required_module="fastapi"),
    Peer("rapid-mlx", ("serve",)),
    Peer("vllm-mlx", ("serve", "--continuous-batching")),
    Peer("mlx-openai-server", ("launch", "--model-type", "lm"), ("--model-path",)),
)
AUDIO_PEER = Peer("mlx_audio.server", required_module="fastapi", takes_folder=False)


@contextmanager
def running_peer(peer: Peer, folder: Path) -> Iterator[Server]:
    """Run a peer on a port of its own, and end it with all its children.

    Raises:
        RuntimeError: it is not installed, or ended by itself.
        TimeoutError: it did not answer.
    """
    python = peer.python()
    if python is None:
        raise RuntimeError("not installed; README.md says how")
    port = free_port()
    with (folder / f"{peer.name}.log").open("wb") as log:
        child = subprocess.Popen(
            peer.command(python, folder, port), cwd=folder, env=_environ(), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/v1/models", child, START_TIMEOUT_SECONDS, POLL_SECONDS)
            yield Server(f"http://127.0.0.1:{port}", str(folder), peer.version(python))
        except (RuntimeError, TimeoutError) as error:
            raise RuntimeError(f"{error}: {_last_line(folder / f'{peer.name}.log')}") from error
        finally:
            _stop(child)


def _environ() -> Mapping[str, str]:
    return {**os.environ, **library_environ()}


def _stop(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    children = psutil.Process(child.pid).children(recursive=True)
    child.terminate()
    _, alive = psutil.wait_procs([psutil.Process(child.pid), *children], STOP_TIMEOUT_SECONDS)
    for child_process in alive:
        child_process.kill()
    child.wait()


def _last_line(log: Path) -> str:
    lines = ANSI_CODES.sub("", log.read_text(encoding="utf-8", errors="replace")).strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
