"""A worker that has imported the libraries of an engine in advance: the next load only has to read weights."""

import logging

from model_runtime.ipc.messages import Preload, Preloaded, WorkerMessage
from model_runtime.process.process import StopTimeouts, WorkerListener, WorkerProcess
from model_runtime.supervisor import memory
from model_runtime.supervisor.views import SpareView

log = logging.getLogger(__name__)


class SpareWorker:
    """At most one process without a model. This is its `WorkerListener` until a model claims it."""

    def __init__(self, stop_timeouts: StopTimeouts) -> None:
        self.engine = ""
        """Engine whose libraries it imports or has imported; "" without a process."""
        self.is_ready = False
        """Whether it has imported them."""
        self.held_bytes = 0
        """Its memory when it was last measured."""
        self._stop_timeouts = stop_timeouts
        self._process: WorkerProcess | None = None
        self._stopping: set[WorkerProcess] = set()
        self._failed_engines: set[str] = set()
        """Engines whose spare process died; they are not tried again, and a load will report the cause."""

    def measure(self) -> None:
        """Read the memory of the process; a failed reading keeps the last value."""
        if self._process is not None:
            self.held_bytes = memory.footprint_bytes(self._process.pid) or self.held_bytes

    def preload(self, engine: str) -> None:
        """Start a process for this engine; it replaces one for another engine."""
        if engine == self.engine or engine in self._failed_engines:
            return
        self.stop()
        try:
            self._process = WorkerProcess("spare", 0, self, self._stop_timeouts)
        except OSError as error:
            log.warning("The spare worker cannot be started: %s", error)
            return
        self.engine = engine
        self._process.send(Preload(engine))

    def claim(self, engine: str, name: str, incarnation: int, listener: WorkerListener) -> WorkerProcess | None:
        """Assign the process to a model and return it, or None without one for this engine. It may still import."""
        process = self._process
        if process is None or engine != self.engine:
            return None
        self._reset()
        process.assign(name, incarnation, listener)
        return process

    def stop(self) -> None:
        """Stop the process, if there is one."""
        process = self._process
        if process is not None:
            self._reset()
            self._stopping.add(process)
            process.stop()

    async def close(self) -> None:
        """Stop the process and wait until every stopped one has been reaped."""
        self.stop()
        for process in list(self._stopping):
            await process.exited.wait()

    def view(self) -> SpareView:
        """Return the spare worker as it is now, frozen."""
        return SpareView(self.engine, self.is_ready, self.held_bytes)

    def _reset(self) -> None:
        self._process, self.engine, self.is_ready, self.held_bytes = None, "", False, 0

    # -- events of the process ---------------------------------------------------------------------------------------

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Record that the libraries are imported."""
        if process is self._process and isinstance(message, Preloaded):
            self.is_ready = True
            log.info("The spare worker has imported %s", self.engine)

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Do nothing: `on_exit` follows."""

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Record the exit; an engine whose process was not stopped is not tried again."""
        self._stopping.discard(process)
        if process is self._process:
            log.warning("The spare worker for %s has exited: %s", self.engine, cause)
            self._failed_engines.add(self.engine)
            self._reset()
