"""One real daemon with the built-in starters, as `senses serve` starts it, for every face to be tried on."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from benchmarks.instance import STARTERS
from model_runtime.catalog.catalog import has_apple_gpu

BIN_FOLDER = Path(sys.executable).parent
CLIPS = Path(__file__).parent.parent / "clips"
READY_SECONDS = 90.0
COMPILES = {} if has_apple_gpu() else {"MLX_DISABLE_COMPILE": "1"}
"""On a CPU, MLX compiles with a C++ compiler, which takes longer than the tests."""


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A running instance: its folder, its address, what it printed when it was ready, and its process."""

    home: Path
    url: str
    startup_output: Path
    pid: int

    @property
    def environ(self) -> dict[str, str]:
        """What a client of this instance is started with."""
        return {**os.environ, "SENSES_HOME": str(self.home)}


@pytest.fixture(scope="session")
def served() -> Generator[RunningDaemon]:
    """`senses serve` on a free port, in a folder of its own."""
    with running_daemon(STARTERS) as daemon:
        yield daemon


@contextmanager
def running_daemon(lines: str, *, api_key: str = "") -> Generator[RunningDaemon]:
    """`senses serve` with these lines of config.toml, which begin in the table `files`; Ctrl-C ends all its processes."""
    with tempfile.TemporaryDirectory(prefix="senses-", dir=tempfile.gettempdir()) as folder:
        home, port = Path(folder), free_port()
        (home / "config.toml").write_text(
            f'api_key = "{api_key}"\n[files]\nallowed_folders = ["{tempfile.gettempdir()}", "{CLIPS}"]\n{lines}',
            encoding="utf-8",
        )
        startup_output = home / "printed.txt"
        with startup_output.open("wb") as printed:
            process = subprocess.Popen(
                [BIN_FOLDER / "senses", "serve", "--port", str(port)],
                env={**os.environ, "SENSES_HOME": folder, **COMPILES},
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, startup_output)
            yield RunningDaemon(home, f"http://127.0.0.1:{port}", startup_output, process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", startup_output: Path) -> None:
    """Wait for the first answer of /health."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, startup_output.read_text(encoding="utf-8")
        try:
            httpx2.get(f"{url}/health", timeout=2)
        except httpx2.HTTPError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(startup_output.read_text(encoding="utf-8"))


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
