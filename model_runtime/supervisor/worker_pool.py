"""The worker processes: one for each loaded model, and perhaps a spare one."""

from collections.abc import Callable

from model_runtime.catalog.disk import ModelFiles
from model_runtime.catalog.model import Model
from model_runtime.ipc.messages import Load
from model_runtime.loading import LoadSpec
from model_runtime.process.process import StopTimeouts, WorkerListener, WorkerProcess
from model_runtime.supervisor import memory
from model_runtime.supervisor.energy import EnergySaving
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.processor_time import processor_seconds
from model_runtime.supervisor.spare_worker import SpareWorker


class WorkerPool:
    """The workers by model name. It never looks at the files of a model: their disk may not answer."""

    def __init__(
        self, clock: Callable[[], float], stop_timeouts: StopTimeouts, energy: EnergySaving | None = None
    ) -> None:
        self.workers: dict[str, ModelWorker] = {}
        self.spare = SpareWorker(stop_timeouts)
        self.files: dict[str, ModelFiles] = {}
        """Model → its files as a request has found them last."""
        self._failed_files: dict[str, ModelFiles] = {}
        """Model → its files that could not be loaded."""
        self._clock = clock
        self._stop_timeouts = stop_timeouts
        self._energy = energy or EnergySaving()

    def start(self, model: Model, incarnation: int, listener: WorkerListener) -> ModelWorker:
        """Start a process or claim the spare one, let it load the model and return its worker.

        Raises:
            OSError: the system cannot start another process.
        """
        folders = {role: str(folder) for role, folder in self.files[model.name].folders.items()}
        process = self.spare.claim(model.engine, model.name, incarnation, listener)
        process = process or WorkerProcess(model.name, incarnation, listener, self._stop_timeouts)
        options = dict(model.options)
        process.send(Load(LoadSpec(model.name, model.engine, folders, options, prefetch=not self._energy.is_on)))
        now = self._clock()
        worker = ModelWorker(model, process, started_at=now, last_message_at=now)
        self.workers[model.name] = worker
        return worker

    def remove(self, process: WorkerProcess) -> None:
        """Remove an exited process; after a permanent failure remember the files that it could not load."""
        worker = self.by_process(process)
        if worker is None:
            return
        del self.workers[process.name]
        if worker.is_permanent:
            self._failed_files[process.name] = self.files[process.name]

    def files_changed(self, model: Model) -> bool:
        """Return whether the model's files differ from those that could not be loaded."""
        return self.files[model.name] != self._failed_files.get(model.name)

    def by_process(self, process: WorkerProcess) -> ModelWorker | None:
        """Return the worker of this process, or None if it has exited."""
        worker = self.workers.get(process.name)
        return worker if worker is not None and worker.process is process else None

    def by_incarnation(self, model: str, incarnation: int) -> ModelWorker | None:
        """Return the worker of this incarnation of the model, or None if it has exited."""
        worker = self.workers.get(model)
        return worker if worker is not None and worker.incarnation == incarnation else None

    def measure(self) -> None:
        """Read the memory and processor time of every process; a failed reading keeps the last value."""
        for worker in self.workers.values():
            worker.footprint_bytes = memory.footprint_bytes(worker.process.pid) or worker.footprint_bytes
            worker.count_processor_time(processor_seconds(worker.process.pid), self._clock())
        self.spare.measure()

    async def stop_all(self) -> None:
        """Stop all workers, killing those that still run a cancelled request, and wait until all have been reaped."""
        processes = [worker.process for worker in self.workers.values()]
        for worker in self.workers.values():
            if worker.cancelled_at:
                worker.process.kill("the worker still ran a cancelled request when Senses shut down")
            worker.process.stop()
        self.spare.stop()
        for process in processes:
            await process.exited.wait()
        await self.spare.close()
