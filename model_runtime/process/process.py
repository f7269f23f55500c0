"""One worker process: start it, exchange messages, stop it, report its exit."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import psutil

from model_runtime.ipc.codec import CodecError, encode
from model_runtime.ipc.framing import FrameError, pack
from model_runtime.ipc.messages import Command, Shutdown, WorkerMessage
from model_runtime.process.connection import WorkerConnection
from model_runtime.process.exit_status import describe_exit
from model_runtime.process.log_tail import LogTail
from model_runtime.process.spawn import SpawnedProcess, spawn_worker

EXIT_STATUS_TIMEOUT_SECONDS = 0.25
"""How long after the connection closes the exit status may take. An exiting process is reaped within milliseconds; one
that still runs after this time cannot be reached any more and is killed."""
LAST_FRAMES_TIMEOUT_SECONDS = 1.0
"""How long after the exit the process's last frames may take to be read."""


@dataclass(frozen=True, slots=True)
class StopTimeouts:
    """How long a process may take to exit after `Shutdown`, and after SIGTERM."""

    graceful_seconds: float = 5.0
    sigterm_seconds: float = 2.0


class WorkerListener(Protocol):
    """Receives the messages and the end of a process; `cause` is a clause for users."""

    def on_message(self, process: "WorkerProcess", message: WorkerMessage) -> None:
        """Handle a message of the worker."""
        ...

    def on_disconnect(self, process: "WorkerProcess", cause: str) -> None:
        """Handle the end of the messages; the process may not be reaped yet. Called once."""
        ...

    def on_exit(self, process: "WorkerProcess", cause: str) -> None:
        """Handle the reaped process; its memory is free. Called once, after `on_disconnect`."""
        ...


class WorkerProcess:
    """A started process. Call its methods only on the event loop's thread.

    Raises:
        OSError: on creation, if the system cannot start another process.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        listener: WorkerListener,
        stop_timeouts: StopTimeouts | None = None,
        spawn: Callable[[str], SpawnedProcess] | None = None,
    ) -> None:
        """`spawn` starts the process of this name, by default a worker."""
        self.name = name
        self.incarnation = incarnation
        self.exited = asyncio.Event()
        """Set once the process is reaped."""
        self._listener = listener
        self._stop_timeouts = stop_timeouts or StopTimeouts()
        self._loop = asyncio.get_running_loop()
        self._spawned: SpawnedProcess = (spawn or spawn_worker)(name)
        self._log_tail = LogTail(name, self._spawned.log)
        self._connection = WorkerConnection(self, partial(listener.on_message, self))
        self._is_connected = True
        self._status: int | None = None
        self._is_disconnected = False
        self._stopping: asyncio.Task[None] | None = None
        self._exit_reason = ""
        self._loop.add_reader(self._spawned.log, self._read_log)
        self._connecting = self._loop.create_task(
            self._loop.create_connection(lambda: self._connection, sock=self._spawned.socket)
        )
        self._connecting.add_done_callback(self._close_unconnected)
        self._start_reaper()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._spawned.pid

    @property
    def stop_requested(self) -> bool:
        """Whether `stop` or `kill` was called."""
        return bool(self._exit_reason) or self._stopping is not None

    @property
    def oom_suspected(self) -> bool:
        """Whether it died of a SIGKILL that `kill` did not send; the system sends it when memory runs out."""
        status = self._status
        killed = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return killed and not self.stop_requested

    # -- commands --------------------------------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Send a command; do nothing if the process has exited.

        Raises:
            CodecError, FrameError: the command cannot be encoded.
        """
        self.send_parts(encode_command(command))

    def send_parts(self, parts: Sequence[bytes]) -> None:
        """Send a command that `encode_command` encoded."""
        self._connection.send(parts)

    def pause_reading(self) -> None:
        """Stop reading messages until `resume_reading` or the exit; the worker blocks once the socket is full."""
        if self._status is None:
            self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Read messages again."""
        self._connection.resume_reading()

    def stop(self, cause: str = "") -> None:
        """Send `Shutdown`, then SIGTERM, then SIGKILL until it exits; `cause` replaces the exit status in reports."""
        self._exit_reason = self._exit_reason or cause
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._stop_gracefully())

    def kill(self, cause: str) -> None:
        """Send SIGKILL; `cause` replaces the exit status in reports."""
        self._exit_reason = self._exit_reason or cause
        self._signal(signal.SIGKILL)

    def assign(self, name: str, incarnation: int, listener: WorkerListener) -> None:
        """Use the process for this model: `listener` receives everything from now on."""
        self.name = self._log_tail.name = name
        self.incarnation = incarnation
        self._listener = listener
        self._connection.on_message = partial(listener.on_message, self)

    # -- events ----------------------------------------------------------------------------------------------------

    def protocol_error(self, error: FrameError | CodecError) -> None:
        """Kill the worker: it sent bytes that are not a message."""
        self.kill(f"the worker sent an invalid message: {error}")
        self._connection.close()

    def _close_unconnected(self, connecting: asyncio.Task[object]) -> None:
        """Close the socket of a connection that was cancelled before it was made: no transport owns it."""
        if connecting.cancelled() or connecting.exception() is not None:
            self._spawned.socket.close()

    def connection_closed(self) -> None:
        """Finish the exit, or kill the process if it is still running after a moment."""
        self._is_connected = False
        self._finish_exit()
        self._loop.call_later(EXIT_STATUS_TIMEOUT_SECONDS, self._kill_without_connection)

    def _kill_without_connection(self) -> None:
        if self._status is None and not _is_zombie(self.pid):
            self.kill("the worker closed its connection")
            self._report_disconnect(self._exit_reason)

    def _on_reaped(self, status: int) -> None:
        self._status = status
        self._connection.resume_reading()  # the socket may still hold its last frames
        self._loop.call_later(LAST_FRAMES_TIMEOUT_SECONDS, self._connection.close)
        self._finish_exit()

    def _finish_exit(self) -> None:
        """Report the exit once the process is reaped and its last frames are read."""
        if self._status is None or self._is_connected or self.exited.is_set():
            return
        self._read_log()
        self._loop.remove_reader(self._spawned.log)
        os.close(self._spawned.log)
        self.exited.set()
        cause = self._exit_reason or describe_exit(self._status, self._log_tail.last_line)
        self._report_disconnect(cause)
        self._listener.on_exit(self, cause)

    def _report_disconnect(self, cause: str) -> None:
        if not self._is_disconnected:
            self._is_disconnected = True
            self._listener.on_disconnect(self, cause)

    # -- effects ---------------------------------------------------------------------------------------------------

    def _read_log(self) -> None:
        if not self._log_tail.read():
            self._loop.remove_reader(self._spawned.log)

    async def _stop_gracefully(self) -> None:
        self.send(Shutdown())
        if not await self._exited_within(self._stop_timeouts.graceful_seconds):
            self._signal(signal.SIGTERM)
        if not await self._exited_within(self._stop_timeouts.sigterm_seconds):
            self.kill("the worker did not leave when it was told to, and was killed")

    async def _exited_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.exited.wait(), seconds)
        return self.exited.is_set()

    def _signal(self, number: signal.Signals) -> None:
        if self._status is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses to signal a zombie
                os.killpg(self.pid, number)

    def _start_reaper(self) -> None:
        """Start the thread that waits for the exit; without one wait here, after a SIGKILL.

        The exit is then reported like any other.
        """
        try:
            threading.Thread(target=self._wait_for_exit, name=f"reaper of {self.name}", daemon=True).start()
        except RuntimeError:  # the system cannot start another thread
            self.kill("the system cannot start another thread")
            self._wait_for_exit()

    def _wait_for_exit(self) -> None:
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # the daemon was started with SIGCHLD ignored, so the system reaped the worker
            status = 0
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._on_reaped, status)


def _is_zombie(pid: int) -> bool:
    """Return whether the process has exited and waits to be reaped (or is reaped)."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
    except OSError:  # no descriptor is left to look; killing a zombie changes nothing
        return False


def encode_command(command: Command) -> list[bytes]:
    """Return the parts of a command's frame.

    Raises:
        CodecError: the command holds a value that cannot be sent.
        FrameError: the frame would be too long, or msgpack cannot write its header.
    """
    header, blobs = encode(command)
    return pack(header, blobs)
