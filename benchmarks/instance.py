"""A Senses instance of its own, in a folder of its own, on a free port."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil

from model_runtime.catalog.builtin_models import STARTER_BY_TASK

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
STARTERS = "[defaults]\n" + "".join(f'{task} = "{name}"\n' for task, name in STARTER_BY_TASK.items())
"""Part of config.toml: calls that name no model go to starters, also on Apple silicon, where they are not the default."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A running daemon."""

    home: Path
    url: str
    process: psutil.Process
    ready_seconds: float

    @property
    def environ(self) -> dict[str, str]:
        """What a client process of this instance is started with; a daemon that it starts has the same port."""
        return {**os.environ, "SENSES_HOME": str(self.home), "SENSES_PORT": str(urlsplit(self.url).port)}

    def status(self) -> dict[str, Any]:
        """The snapshot the page shows."""
        answer: dict[str, Any] = httpx2.get(f"{self.url}/api/status", timeout=10).json()
        return answer

    def resident_bytes(self) -> int:
        """Resident memory of the daemon and all its workers."""
        return sum(_resident(process) for process in (self.process, *self.process.children(recursive=True)))

    def command(self, model: str, action: str) -> None:
        """Press a button of the page."""
        headers = {"origin": self.url}
        httpx2.post(f"{self.url}/api/models/{model}/{action}", headers=headers, timeout=120).raise_for_status()


@contextmanager
def running_instance(config: str = "") -> Iterator[Instance]:
    """Start an instance with this config.toml and starters as defaults, and end it afterwards."""
    with tempfile.TemporaryDirectory(prefix="senses-bench-") as folder:
        home = Path(folder)
        (home / "config.toml").write_text(f"{config}\n{STARTERS}", encoding="utf-8")
        port = free_port()
        command = [str(Path(sys.executable).with_name("senses")), "serve", "--port", str(port)]
        started = time.perf_counter()
        instance_log = home / "logs" / "daemon.log"
        instance_log.parent.mkdir(mode=0o700)
        with instance_log.open("ab") as log:
            environ = {**os.environ, "SENSES_HOME": folder}
            child = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/health", child, READY_SECONDS)
            yield Instance(home, url, psutil.Process(child.pid), time.perf_counter() - started)
        finally:
            _stop(child)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """Workers die with the daemon, however it ends."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def wait_for(url: str, child: "subprocess.Popen[bytes]", seconds: float, pause_seconds: float = 0.02) -> None:
    """Wait until `url` answers.

    Raises:
        RuntimeError: the process that was to answer has ended.
        TimeoutError: nothing answered within `seconds`.
    """
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"it ended with {child.returncode}")
        try:
            httpx2.get(url, timeout=5).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(pause_seconds)
        else:
            return
    raise TimeoutError(f"no answer of {url} within {seconds:g} s")


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
