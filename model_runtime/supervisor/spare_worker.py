"""One process that has imported an engine's libraries already: the next load only has to read weights."""

import logging

from model_runtime.ipc.messages import Preload, Preloaded, WorkerMessage
from model_runtime.process.process import StopTimeouts, WorkerListener, WorkerProcess
from model_runtime.supervisor import memory

log = logging.getLogger(__name__)


class SpareWorker:
    """At most one process without a model. It is its `Owner` until the process is given away."""

    def __init__(self, patience: StopTimeouts) -> None:
        self.engine = ""
        """Whose libraries it imports; "" where there is no process."""
        self.is_ready = False
        self.held_bytes = 0
        """Its memory as it was last measured."""
        self._patience = patience
        self._process: WorkerProcess | None = None
        self._stopping: set[WorkerProcess] = set()
        self._failed_engines: set[str] = set()
        """Engines that could not be imported: a load will say why."""

    def measure(self) -> None:
        """Read what the process holds."""
        self.held_bytes = memory.footprint_bytes(self._process.pid) if self._process is not None else 0

    def preload(self, engine: str) -> None:
        """Have a process for this engine, in place of one for another."""
        if engine == self.engine or engine in self._failed_engines:
            return
        self.stop()
        try:
            self._process = WorkerProcess("spare", 0, self, self._patience)
        except OSError as error:
            log.warning("No spare process: %s", error)
            return
        self.engine = engine
        self._process.send(Preload(engine))

    def claim(self, engine: str, name: str, incarnation: int, owner: WorkerListener) -> WorkerProcess | None:
        """Give the process away to a model of its engine; None where there is none. It may still be importing."""
        process = self._process
        if process is None or engine != self.engine:
            return None
        self._forget()
        process.assign(name, incarnation, owner)
        return process

    def stop(self) -> None:
        """End the process: its memory is wanted elsewhere."""
        process = self._process
        if process is not None:
            self._forget()
            self._stopping.add(process)
            process.stop()

    async def close(self) -> None:
        """End the process and wait until all are reaped."""
        self.stop()
        for process in list(self._stopping):
            await process.exited.wait()

    def _forget(self) -> None:
        self._process, self.engine, self.is_ready, self.held_bytes = None, "", False, 0

    # -- what the process does ---------------------------------------------------------------------------------------

    def on_message(self, process: WorkerProcess, report: WorkerMessage) -> None:
        """The libraries are imported."""
        if process is self._process and isinstance(report, Preloaded):
            self.is_ready = True
            log.info("A spare process has imported %s", self.engine)

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """It ends; `reaped` follows."""

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """It is gone. One that was not sent away cannot be had for this engine."""
        self._stopping.discard(process)
        if process is self._process:
            log.warning("The spare process for %s ended: %s", self.engine, cause)
            self._failed_engines.add(self.engine)
            self._forget()
