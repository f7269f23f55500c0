"""What a client waits for when the daemon is killed: its shim starts another one and repeats the call."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.clients import INITIALIZE, send_message, send_request
from benchmarks.lab import BenchmarkContext
from benchmarks.reconnect_daemon import MODEL
from benchmarks.row import Row, median
from mcp_server.launcher.paths import InstancePaths
from tests.soak.daemon_kills import KilledInstance

ROUNDS = 10
TARGET_SECONDS = 1.5


def measure(context: BenchmarkContext) -> list[Row]:
    """Kill the daemon under a client, again and again, and ask it for something at once."""
    with tempfile.TemporaryDirectory(prefix="senses-bench-") as folder:
        instance = KilledInstance(Path(folder), "benchmarks.reconnect_daemon")
        instance.prepare()
        with _connected_shim(instance) as shim:
            _call(shim, 1)
            times = [_seconds_to_answer(instance, shim, number) for number in range(2, 2 + context.rounds(ROUNDS))]
        _kill(instance)
    row = "kill -9 of the daemon → answer p50"
    about = f"{len(times)} kills; the shim starts another daemon, which loads a model in 0.3 s"
    return [Row(row, median(times), "s", TARGET_SECONDS, about)]


@contextmanager
def _connected_shim(instance: KilledInstance) -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-m", "tests.soak.watched_shim"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=instance.environ, cwd=instance.project, stdin=pipe, stdout=pipe) as shim:
        send_request(shim, INITIALIZE)
        send_message(shim, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield shim
        shim.stdin.close()  # type: ignore[union-attr]


def _seconds_to_answer(instance: KilledInstance, shim: "subprocess.Popen[bytes]", number: int) -> float:
    _kill(instance)
    started = time.perf_counter()
    _call(shim, number)
    return time.perf_counter() - started


def _kill(instance: KilledInstance) -> None:
    info = json.loads(Path(InstancePaths(instance.environ).daemon_json).read_text(encoding="utf-8"))
    psutil.Process(info["pid"]).kill()


def _call(shim: "subprocess.Popen[bytes]", number: int) -> None:
    """Make a call.

    Raises:
        RuntimeError: it fails.
    """
    arguments: dict[str, Any] = {"text": "pieces 2", "model": MODEL}
    params = {"name": "speak", "arguments": arguments}
    answer = send_request(shim, {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
    if answer.get("result", {}).get("isError", True):
        raise RuntimeError(f"The call failed: {answer}")
