"""One worker process: talk to it, stop it, learn how it ended."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import psutil

from model_runtime.ipc.codec import CodecError, decode, encode
from model_runtime.ipc.framing import Frame, FrameError, pack
from model_runtime.ipc.messages import Order, Report, Shutdown
from model_runtime.process.connection import LinkProtocol
from model_runtime.process.exit_status import describe_exit
from model_runtime.process.log_tail import Words
from model_runtime.process.spawn import Spawned, spawn_worker

ANSWER_SECONDS = 0.25
"""How long after the link's end the exit status is waited for, which comes within a few milliseconds where the process
ends; after that it lives on without a link, and callers are told so."""
LAST_FRAMES_SECONDS = 1.0
"""How long after the process's end its last frames may take to be read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process may take to leave: after being asked, and after SIGTERM."""

    asked_seconds: float = 5.0
    terminated_seconds: float = 2.0


class Owner(Protocol):
    """Who is told what a process does."""

    def reported(self, process: "WorkerProcess", report: Report) -> None:
        """The worker said something."""
        ...

    def lost(self, process: "WorkerProcess", cause: str) -> None:
        """The worker will say nothing more, though its process may not be reaped yet. Comes once."""
        ...

    def reaped(self, process: "WorkerProcess", cause: str) -> None:
        """The process is gone and with it all it held. Comes once, after `lost`."""
        ...


class WorkerProcess:
    """A started process. All methods belong to the event loop's thread."""

    def __init__(self, name: str, incarnation: int, owner: Owner, patience: Patience | None = None) -> None:
        self.name = name
        self.incarnation = incarnation
        self.exited = asyncio.Event()
        """Set once the process is reaped."""
        self._owner = owner
        self._patience = patience or Patience()
        self._loop = asyncio.get_running_loop()
        self._spawned: Spawned = spawn_worker(name)
        self._words = Words(name, self._spawned.log)
        self._link = LinkProtocol(self)
        self._link_is_open = True
        self._status: int | None = None
        self._is_lost = False
        self._ending: asyncio.Task[None] | None = None
        self._told_cause = ""
        self._loop.add_reader(self._spawned.log, self._listen)
        self._connecting = self._loop.create_task(self._connect())
        threading.Thread(target=self._reap, name=f"reaper of {name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._spawned.pid

    @property
    def last_lines(self) -> Sequence[str]:
        """The last lines it printed."""
        return tuple(self._words.lines)

    @property
    def was_sent_away(self) -> bool:
        """Whether somebody here told it to end."""
        return bool(self._told_cause) or self._ending is not None

    @property
    def may_have_starved(self) -> bool:
        """Whether the system killed it, as it does when memory runs out."""
        status = self._status
        killed = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return killed and not self.was_sent_away

    # -- doing -----------------------------------------------------------------------------------------------------

    def send(self, order: Order) -> None:
        """Send an order; nothing happens where the process is gone."""
        self.send_parts(pack_order(order))

    def send_parts(self, parts: Sequence[bytes]) -> None:
        """Send an order that was packed before."""
        self._link.send(parts)

    def read(self, *, wanted: bool) -> None:
        """Pause or go on reading what it reports."""
        self._link.read(wanted or self._status is not None)

    def stop(self, cause: str = "") -> None:
        """Ask it to leave; where it does not, end it with SIGTERM and then SIGKILL. `cause` is told as why it left."""
        self._told_cause = self._told_cause or cause
        if self._ending is None:
            self._ending = self._loop.create_task(self._end())

    def kill(self, cause: str) -> None:
        """End it now; `cause` is told instead of the signal."""
        self._told_cause = self._told_cause or cause
        self._signal(signal.SIGKILL)

    def become(self, name: str, incarnation: int, owner: Owner) -> None:
        """Serve this model from now on; `owner` is told what happens from now on."""
        self.name = self._words.name = name
        self.incarnation = incarnation
        self._owner = owner

    # -- what happens to it ----------------------------------------------------------------------------------------

    def frame_received(self, frame: Frame) -> None:
        """The link brought a report."""
        try:
            report: Report = decode(*frame)
        except CodecError as error:
            self.kill(f"it sent a message nobody understands: {error}")
            return
        self._owner.reported(self, report)

    def link_broken(self, error: FrameError) -> None:
        """The link brought nonsense."""
        self.kill(f"it sent what is no message: {error}")
        self._link.close()

    def link_lost(self) -> None:
        """The link is closed, mostly because the process is ending."""
        self._link_is_open = False
        self._settle()
        self._loop.call_later(ANSWER_SECONDS, self._give_up_on_link)

    def _give_up_on_link(self) -> None:
        if self._status is None and not _is_zombie(self.pid):
            self.kill("it closed its link")
            self._lose(self._told_cause)

    def _reaped(self, status: int) -> None:
        self._status = status
        self._link.read(True)
        self._loop.call_later(LAST_FRAMES_SECONDS, self._link.close)
        self._settle()

    def _settle(self) -> None:
        """The process has ended for us once it is reaped and its last frames are read."""
        if self._status is None or self._link_is_open or self.exited.is_set():
            return
        self._listen()
        self._loop.remove_reader(self._spawned.log)
        os.close(self._spawned.log)
        self.exited.set()
        cause = self._told_cause or describe_exit(self._status, self._words.last)
        self._lose(cause)
        self._owner.reaped(self, cause)

    def _lose(self, cause: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._owner.lost(self, cause)

    # -- effects ---------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._loop.create_connection(lambda: self._link, sock=self._spawned.link)

    def _listen(self) -> None:
        if not self._words.read():
            self._loop.remove_reader(self._spawned.log)

    async def _end(self) -> None:
        self.send(Shutdown())
        if not await self._left_within(self._patience.asked_seconds):
            self._signal(signal.SIGTERM)
        if not await self._left_within(self._patience.terminated_seconds):
            self._signal(signal.SIGKILL)

    async def _left_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.exited.wait(), seconds)
        return self.exited.is_set()

    def _signal(self, number: signal.Signals) -> None:
        if self._status is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses to signal a zombie
                os.killpg(self.pid, number)

    def _reap(self) -> None:
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # this process was started with SIGCHLD ignored, so the system has reaped it
            status = 0
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._reaped, status)


def _is_zombie(pid: int) -> bool:
    """Whether it has ended already and only its reaper is late."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def pack_order(order: Order) -> list[bytes]:
    """Return the parts of an order as they are sent.

    Raises:
        CodecError, FrameError: it holds something that cannot cross the process boundary.
    """
    header, blobs = encode(order)
    return pack(header, blobs)
