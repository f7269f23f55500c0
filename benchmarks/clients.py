"""What a client waits for: the shim's start, and what it weighs beside a plain Python MCP server."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median

ROUNDS = 15
PLAIN_SERVER_ROUNDS = 3
PLAIN_SERVER_SCRIPT = "from mcp.server import MCPServer\nMCPServer('bare').run()\n"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def measure(context: BenchmarkContext) -> list[Row]:
    """Start a daemon, and clients against it."""
    with context.instance() as instance:
        ready = Row("start → ready", instance.ready_seconds, "s", 2, "senses serve → first answer of /health")
        return [ready, *_rows(instance, context.rounds(ROUNDS))]


def _rows(instance: Instance, rounds: int) -> list[Row]:
    shim = [str(Path(sys.executable).with_name("senses-mcp"))]
    _time_session(shim, instance.environ)
    ours = [_time_session(shim, instance.environ) for _ in range(rounds)]
    bare = [
        _time_session([sys.executable, "-c", PLAIN_SERVER_SCRIPT], instance.environ)
        for _ in range(min(rounds, PLAIN_SERVER_ROUNDS))
    ]
    first = median([session[0] for session in ours])
    return [
        Row("shim RSS", median([session[2] for session in ours]), "MB", 14, "senses-mcp after initialize"),
        Row("daemon RSS, no model", instance.process.memory_info().rss / 1e6, "MB", 85, "after these clients"),
        Row("initialize p50", first, "ms", 150, f"{rounds} starts of senses-mcp, warm daemon, process start → answer"),
        Row("initialize + tools/list p50", median([session[1] for session in ours]), "ms", 150, "same runs"),
        Row(
            "initialize over a bare Python MCP server",
            first / median([session[0] for session in bare]),
            "×",
            0.3,
            "same measurement of a server that only imports the SDK",
        ),
    ]


def _time_session(command: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float, float]:
    """Return milliseconds to the first answer and to the tool list, and the process's megabytes."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        send_request(child, INITIALIZE)
        initialized = time.perf_counter()
        send_message(child, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        send_request(child, LIST_TOOLS)
        listed = time.perf_counter()
        resident = psutil.Process(child.pid).memory_info().rss / 1e6
        child.stdin.close()  # type: ignore[union-attr]
    return (initialized - started) * 1e3, (listed - started) * 1e3, resident


def send_message(child: "subprocess.Popen[bytes]", message: Mapping[str, Any]) -> None:
    """Write one message to a server on stdio."""
    assert child.stdin is not None
    child.stdin.write(json.dumps(message).encode() + b"\n")
    child.stdin.flush()


def send_request(child: "subprocess.Popen[bytes]", message: Mapping[str, Any]) -> dict[str, Any]:
    """Write a request and return its answer, passing over what else comes."""
    assert child.stdout is not None
    send_message(child, message)
    while line := child.stdout.readline():
        answer: dict[str, Any] = json.loads(line)
        if answer.get("id") == message["id"]:
            return answer
    raise EOFError("the server ended without an answer")
