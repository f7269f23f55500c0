"""What MCP adds to the models' own time: tool calls through the shim, and the very first call on a machine."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.clients import INITIALIZE, LIST_TOOLS, send_message, send_request
from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from mcp_server.daemon.lock import read_daemon_info
from mcp_server.launcher.paths import InstancePaths

ROUNDS = 15
COLD_ROUNDS = 3
SHIM = str(Path(sys.executable).with_name("senses-mcp"))
NOISE_SIDE_PIXELS = 600
"""A square of noise this large is a PNG of 1.1 MB."""
IMAGE_SIDE_PIXELS = 512


def measure(context: BenchmarkContext) -> list[Row]:
    """Call tools over a running daemon with the starters, then start daemons anew."""
    with context.instance() as instance:
        rows = _warm_calls(instance, context.rounds(ROUNDS))
    cold = median([_cold_start_milliseconds() for _ in range(context.rounds(COLD_ROUNDS))])
    return [*rows, Row("initialize + tools/list, no daemon yet", cold, "ms", 3000, "process start → answer")]


def _warm_calls(instance: Instance, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="senses-bench-") as folder, _session(instance, folder) as shim:
        small, large = _write_pictures(Path(folder))
        drawing = {"prompt": "a red circle", "width": IMAGE_SIDE_PIXELS, "height": IMAGE_SIDE_PIXELS}
        return [
            _time_without_model(
                shim,
                rounds,
                "describe_image",
                {"image": small, "include_text": "never"},
                5,
                "MCP call over the runtime p50",
            ),
            _time_without_model(
                shim,
                rounds,
                "describe_image",
                {"image": large, "include_text": "never"},
                50,
                "MCP call with a 1.1 MB picture p50",
            ),
            _time_without_model(
                shim, rounds, "generate_image", drawing, 50, "MCP call that draws, saves and previews p50"
            ),
        ]


def _time_without_model(
    shim: "subprocess.Popen[bytes]", rounds: int, tool: str, arguments: dict[str, Any], target: float, name: str
) -> Row:
    """Time calls less what the result says the model itself took."""
    _overhead_milliseconds(shim, tool, arguments)
    times = [_overhead_milliseconds(shim, tool, arguments) for _ in range(rounds)]
    return Row(
        name,
        median(times),
        "ms",
        target,
        f"{rounds} warm calls of {tool} through senses-mcp, less the model's own time",
    )


def _overhead_milliseconds(shim: "subprocess.Popen[bytes]", tool: str, arguments: dict[str, Any]) -> float:
    started = time.perf_counter()
    message = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    result = send_request(shim, message)["result"]
    took = time.perf_counter() - started
    content = result["structuredContent"]
    return float(took - content["seconds"] - content["load_seconds"]) * 1e3


@contextmanager
def _session(instance: Instance, folder: str) -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(
        [SHIM],
        env=instance.environ,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as shim:
        _initialize(shim)
        yield shim
        shim.stdin.close()  # type: ignore[union-attr]


def _initialize(shim: "subprocess.Popen[bytes]") -> None:
    send_request(shim, INITIALIZE)
    send_message(shim, {"jsonrpc": "2.0", "method": "notifications/initialized"})


def _write_pictures(folder: Path) -> tuple[str, str]:
    small, large = folder / "small.png", folder / "large.png"
    Image.new("RGB", (128, 128), "white").save(small)
    noise = os.urandom(NOISE_SIDE_PIXELS * NOISE_SIDE_PIXELS * 3)
    Image.frombytes("RGB", (NOISE_SIDE_PIXELS, NOISE_SIDE_PIXELS), noise).save(large)
    return str(small), str(large)


def _cold_start_milliseconds() -> float:
    """Start the shim where no daemon runs, ask for the tools, and end what it started."""
    with tempfile.TemporaryDirectory(prefix="senses-bench-") as folder:
        environ = {**os.environ, "SENSES_HOME": folder}
        started = time.perf_counter()
        with subprocess.Popen(
            [SHIM], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as shim:
            _initialize(shim)
            send_request(shim, LIST_TOOLS)
            took = time.perf_counter() - started
            shim.stdin.close()  # type: ignore[union-attr]
        _stop_daemon(InstancePaths({"SENSES_HOME": folder}))
        return took * 1e3


def _stop_daemon(paths: InstancePaths) -> None:
    info = read_daemon_info(paths)
    if info is None:
        return
    os.kill(info.pid, signal.SIGTERM)
    while read_daemon_info(paths):
        time.sleep(0.02)
