"""What hostile clients cost: memory that unfinished uploads leave, and the wait for /health beside odd connections."""

import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from urllib.parse import urlsplit

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.responsiveness import probing
from benchmarks.row import Row, median, percentile

UPLOADS = 40
UPLOAD_BYTES = 59_000_000
UNSENT_BYTES = 1_000
PIECE_BYTES = 1_000_000
UPLOAD_SECONDS = 10.0
"""How long a refused upload may go on; shorter than the daemon's patience with a silent one."""
SAMPLE_SECONDS = 0.02
SETTLE_SECONDS = 2.0
LEFT_TARGET_MB = 20
CONNECTIONS = 800
PROBE_SECONDS = 10.0
HEALTH_TARGET_MS = 50
MIN_DESCRIPTORS = 2048
CHAT_HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Content-Length: {UPLOAD_BYTES}\r\n\r\n"
).encode()
CHAT_START = b'{"messages": [{"role": "user", "content": "'
ODD_STARTS = (
    b"",  # says nothing
    b"GET /health HTTP/1.1\r\nHost: loc",
    CHAT_HEAD + CHAT_START,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n",  # never reads
)


def measure(context: BenchmarkContext) -> list[Row]:
    """Attack an instance without a model, on the loopback interface."""
    with _descriptors(MIN_DESCRIPTORS), context.instance(spare=False) as instance:
        instance.status()
        return [*_upload_rows(instance), *_connection_rows(instance)]


def _upload_rows(instance: Instance) -> list[Row]:
    time.sleep(SETTLE_SECONDS)
    before = instance.resident_bytes()
    with _sampling(instance) as samples:
        sent_bytes = _attack_with_uploads(instance)
    time.sleep(SETTLE_SECONDS)
    left_mb = (instance.resident_bytes() - before) / 1e6
    how = f"{UPLOADS} chats of {UPLOAD_BYTES / 1e6:.0f} MB that never finish, {sent_bytes / 1e6:.0f} MB of them sent"
    peak_mb = (max(samples) - before) / 1e6
    return [
        Row("daemon RSS, peak of unfinished uploads minus before", peak_mb, "MB", None, how),
        Row("daemon RSS after unfinished uploads minus before", left_mb, "MB", LEFT_TARGET_MB, how),
    ]


def _attack_with_uploads(instance: Instance) -> int:
    """Send all uploads at once and leave them open until each is sent or refused. Return the bytes sent."""
    with ExitStack() as stack:
        connections = [stack.enter_context(_connect(instance)) for _ in range(UPLOADS)]
        with ThreadPoolExecutor(UPLOADS) as pool:
            return sum(pool.map(_send_unfinished, connections))


def _send_unfinished(connection: socket.socket) -> int:
    connection.settimeout(UPLOAD_SECONDS)
    piece, sent_bytes = b"a" * PIECE_BYTES, 0
    try:
        connection.sendall(CHAT_HEAD + CHAT_START)
        while sent_bytes < UPLOAD_BYTES - PIECE_BYTES - UNSENT_BYTES:
            connection.sendall(piece)
            sent_bytes += PIECE_BYTES
    except OSError:
        pass  # refused
    return sent_bytes


def _connection_rows(instance: Instance) -> list[Row]:
    waits: list[float] = []
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            stack.enter_context(_connect(instance)).sendall(ODD_STARTS[number % len(ODD_STARTS)])
        with probing(instance, {"/health": waits}):
            time.sleep(PROBE_SECONDS)
    how = f"{len(waits)} probes beside {CONNECTIONS} connections that are silent, cut off, no HTTP or never read"
    return [
        Row("/health p50, odd connections", median(waits), "ms", None, how),
        Row("/health p99, odd connections", percentile(waits, 99), "ms", HEALTH_TARGET_MS, how),
    ]


def _connect(instance: Instance) -> socket.socket:
    address = urlsplit(instance.url)
    assert address.hostname
    assert address.port
    return socket.create_connection((address.hostname, address.port), timeout=UPLOAD_SECONDS)


@contextmanager
def _sampling(instance: Instance) -> Iterator[list[int]]:
    samples: list[int] = [instance.resident_bytes()]
    done = Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(instance.resident_bytes())

    thread = Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


@contextmanager
def _descriptors(count: int) -> Iterator[None]:
    """Allow this process and its children so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
