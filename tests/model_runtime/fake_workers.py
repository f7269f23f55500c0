"""Workers without a process: a test speaks for the worker at the other end of its socket, and for the system."""

import asyncio
import os
import queue
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import anyio
import psutil

from model_runtime.errors import Cancelled
from model_runtime.events import ChatResult, TextDelta
from model_runtime.ipc.codec import decode, encode
from model_runtime.ipc.framing import FrameReader, pack
from model_runtime.ipc.messages import (
    Cancel,
    Command,
    Load,
    Preload,
    Preloaded,
    Ready,
    RequestOutcome,
    RequestOutput,
    RunRequest,
    Shutdown,
    WorkerMessage,
)
from model_runtime.loading import LoadedModel
from model_runtime.process.spawn import SpawnedProcess
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.supervisor.energy import EnergySaving
from model_runtime.supervisor.pressure import Pressure
from tests.model_runtime.library import MEGABYTE, SHORT_STOP_TIMEOUTS, FakeClock, ScriptedCatalog, skip_validation

Kind = TypeVar("Kind")
FIRST_PID = 1 << 23
"""Above the highest id of a process of Linux and macOS."""
FOOTPRINT_BYTES = 10 * MEGABYTE
LOADED = LoadedModel(weights_bytes=MEGABYTE, active_bytes=20 * MEGABYTE, peak_bytes=20 * MEGABYTE)


class FakeWorker:
    """The worker's end. It loads, imports, cancels and leaves as it is told, unless that is switched off."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid
        self.footprint_bytes = FOOTPRINT_BYTES
        self.commands: list[Command] = []
        self.signals: list[int] = []
        self.is_obedient = True
        """Whether it answers commands by itself."""
        self.is_mortal = True
        """Whether SIGTERM ends it."""
        self.is_zombie = False
        """Whether it has exited and is not reaped yet."""
        daemon_end, self._socket = socket.socketpair()
        daemon_end.setblocking(False)
        self._socket.setblocking(False)
        log_read, self._log = os.pipe()
        os.set_blocking(log_read, False)
        self.spawned = SpawnedProcess(pid, daemon_end, log_read)
        self.status: int | None = None
        self._exit_status: queue.Queue[int] = queue.Queue()
        self._reader = FrameReader()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)

    # what it says

    def send(self, message: WorkerMessage) -> None:
        """Send a message."""
        self.send_bytes(b"".join(pack(*encode(message))))

    def send_bytes(self, content: bytes) -> None:
        """Send bytes that need not be a message."""
        self._socket.sendall(content)

    def say(self, request_id: int, text: str) -> None:
        """Send a piece of text."""
        self.send(RequestOutput(request_id, TextDelta(text)))

    def finish(self, request_id: int, text: str = "") -> None:
        """End a chat with its result."""
        self.send(RequestOutcome(request_id, ChatResult(text, "stop", 1, 1)))

    def print(self, text: str) -> None:
        """Print to stdout."""
        os.write(self._log, text.encode())

    def hang_up(self) -> None:
        """Close the connection and live on."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def exit(self, code: int = 0, *, signal_number: int = 0) -> None:
        """Exit with a code, or by a signal (waitpid(2): the signal in the low byte, the code above it)."""
        if self.status is None:
            self.hang_up()
            os.close(self._log)
            self.status = code << 8 | signal_number
            self._exit_status.put(self.status)

    # what it gets

    async def receive(self, kind: type[Kind]) -> Kind:
        """Wait for a command of this kind, and return and forget it."""
        with anyio.fail_after(20):
            while True:
                for command in self.commands:
                    if isinstance(command, kind):
                        self.commands.remove(command)
                        return command
                await self._wait()

    async def wait_for_signal(self, number: int) -> None:
        """Wait until it was sent this signal."""
        with anyio.fail_after(20):
            while number not in self.signals:
                await self._wait()

    async def _wait(self) -> None:
        await self._changed.wait()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _read(self) -> None:
        buffer = self._reader.buffer()
        count = self._socket.recv_into(buffer)
        buffer.release()
        if not count:
            self._loop.remove_reader(self._socket)
        for header, body in self._reader.received(count):
            command: Any = decode(header, body)
            self.commands.append(command)
            if self.is_obedient:
                self._obey(command)
        self._notify()

    def _obey(self, command: Command) -> None:
        match command:
            case Load():
                self.send(Ready(LOADED))
            case Preload():
                self.send(Preloaded())
            case Cancel(request_id):
                self.send(RequestOutcome(request_id, Cancelled("It was cancelled.")))
            case Shutdown():
                self.exit()
            case _:
                pass

    # what the system does

    def wait(self) -> int:
        """Wait for the exit and return its status."""
        return self._exit_status.get()

    def signal(self, number: int) -> None:
        """Get a signal."""
        self.signals.append(number)
        if number == signal.SIGKILL or self.is_mortal:
            self.exit(signal_number=number)
        self._notify()


class _Process:
    """What psutil tells of a fake process."""

    def __init__(self, worker: FakeWorker) -> None:
        self._worker = worker

    def status(self) -> str:
        """Return whether it has exited."""
        has_exited = self._worker.is_zombie or self._worker.status is not None
        return psutil.STATUS_ZOMBIE if has_exited else psutil.STATUS_RUNNING

    def cpu_times(self) -> SimpleNamespace:
        """Return that it has not computed."""
        return SimpleNamespace(user=0.0, system=0.0)


class FakeWorkers:
    """Starts fake workers, and answers for the system about them."""

    def __init__(self) -> None:
        self.all: list[FakeWorker] = []
        self.spawn_error: OSError | None = None
        self.are_obedient = True
        self._started = asyncio.Event()
        self._waitpid, self._killpg, self._psutil_process = os.waitpid, os.killpg, psutil.Process

    def spawn(self, name: str) -> SpawnedProcess:
        """Start a worker (in place of `spawn_worker`)."""
        if self.spawn_error is not None:
            raise self.spawn_error
        worker = FakeWorker(name, FIRST_PID + len(self.all))
        worker.is_obedient = self.are_obedient
        self.all.append(worker)
        started, self._started = self._started, asyncio.Event()
        started.set()
        return worker.spawned

    async def started(self, number: int = 1) -> FakeWorker:
        """Wait for the first, second, … worker and return it."""
        with anyio.fail_after(20):
            while len(self.all) < number:
                await self._started.wait()
        return self.all[number - 1]

    def of(self, pid: int) -> FakeWorker | None:
        """Return the worker of a process id."""
        return next((worker for worker in self.all if worker.pid == pid), None)

    def waitpid(self, pid: int, options: int) -> tuple[int, int]:
        """Wait for a process (in place of `os.waitpid`)."""
        worker = self.of(pid)
        return (pid, worker.wait()) if worker else self._waitpid(pid, options)

    def killpg(self, pid: int, number: int) -> None:
        """Signal a process (in place of `os.killpg`)."""
        worker = self.of(pid)
        return worker.signal(number) if worker else self._killpg(pid, number)

    def process(self, pid: int | None = None) -> Any:
        """Look at a process (in place of `psutil.Process`)."""
        worker = self.of(pid) if pid is not None else None
        return _Process(worker) if worker else self._psutil_process(pid)

    def footprint_bytes(self, pid: int) -> int:
        """Measure a process (in place of `memory.footprint_bytes`)."""
        worker = self.of(pid)
        return worker.footprint_bytes if worker and worker.status is None else 0


async def no_gpu() -> int:
    """Return that there is no GPU."""
    return 0


@asynccontextmanager
async def open_fake_runtime(
    settings: Settings,
    catalog: ScriptedCatalog,
    clock: Callable[[], float] | None = None,
    **overrides: Any,
) -> AsyncGenerator[Runtime]:
    """Open a runtime whose clock stands still, and which is not short of memory."""
    options: dict[str, Any] = {
        "clock": clock or FakeClock(),
        "memory_pressure": lambda: Pressure.NORMAL,
        "energy": EnergySaving(lambda: False),
        "working_set_bytes": no_gpu,
        "release_memory": lambda: None,
        "stop_timeouts": SHORT_STOP_TIMEOUTS,
        "tick_seconds": 0.01,
    }
    async with Runtime(catalog, settings, validate=skip_validation, **options | overrides) as runtime:
        yield runtime


async def run_request_id(worker: FakeWorker) -> int:
    """Wait for the next request in a worker and return its id."""
    return (await worker.receive(RunRequest)).request_id
