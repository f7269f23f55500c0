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

from benchmarks.bare import environ_of_bare
from benchmarks.instance import free_port, wait_for

PAUSE_SECONDS = 0.1
START_SECONDS = 90.0
STOP_SECONDS = 20.0
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Server:
    """Where chats are sent, and the name the model has there."""

    url: str
    model: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server's script and arguments; `folder` is the option in front of the checkpoint's folder, if it has one."""

    name: str
    arguments: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()
    needs: str = ""
    """A module that our own environment may lack."""

    def python(self) -> Path | None:
        """The environment it is in, our own if possible; None where it is not installed."""
        own = [] if self.needs and find_spec(self.needs) is None else [sys.executable]
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
        return [script, *self.arguments, *self.folder, str(folder), "--host", "127.0.0.1", "--port", str(port)]


PEERS = (
    Peer("mlx_lm.server", folder=("--model",)),
    Peer("mlx_vlm.server", folder=("--model",), needs="fastapi"),
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
    python = peer.python()
    if python is None:
        raise RuntimeError("not installed; README.md says how")
    port = free_port()
    with (folder / f"{peer.name}.log").open("wb") as log:
        child = subprocess.Popen(
            peer.command(python, folder, port), cwd=folder, env=_environ(), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/v1/models", child, START_SECONDS, PAUSE_SECONDS)
            yield Server(f"http://127.0.0.1:{port}", str(folder), peer.version(python))
        except (RuntimeError, TimeoutError) as error:
            raise RuntimeError(f"{error}: {_last_line(folder / f'{peer.name}.log')}") from error
        finally:
            _end(child)


def _environ() -> Mapping[str, str]:
    return {**os.environ, **environ_of_bare()}


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    family = psutil.Process(child.pid).children(recursive=True)
    child.terminate()
    _, alive = psutil.wait_procs([psutil.Process(child.pid), *family], STOP_SECONDS)
    for left in alive:
        left.kill()
    child.wait()


def _last_line(log: Path) -> str:
    lines = COLOURS.sub("", log.read_text(encoding="utf-8", errors="replace")).strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
