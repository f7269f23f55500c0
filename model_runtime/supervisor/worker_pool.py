"""Where models live: one process each, and perhaps a spare one."""

from collections.abc import Callable

from model_runtime.catalog.fingerprint import Fingerprint, fingerprint
from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import ModelMissing
from model_runtime.ipc.messages import Load
from model_runtime.loading import LoadSpec
from model_runtime.process.process import StopTimeouts, WorkerListener, WorkerProcess
from model_runtime.supervisor import memory
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.spare_worker import SpareWorker


class WorkerPool:
    """The workers by model name."""

    def __init__(self, library: CatalogProtocol, clock: Callable[[], float], stop_timeouts: StopTimeouts) -> None:
        self.workers: dict[str, ModelWorker] = {}
        self.spare = SpareWorker(stop_timeouts)
        self._failed_files: dict[str, Fingerprint] = {}
        """The files of models that could not be loaded from them."""
        self._library = library
        self._clock = clock
        self._stop_timeouts = stop_timeouts

    def start(self, model: Model, incarnation: int, owner: WorkerListener) -> ModelWorker:
        """Start a process, or take the spare one, and let it load the model.

        Raises:
            ModelMissing: the files are gone.
            OSError: the system refuses another process.
        """
        folders = {role: str(folder) for role, folder in self._library.folders(model).items()}
        process = self.spare.claim(model.engine, model.name, incarnation, owner)
        process = process or WorkerProcess(model.name, incarnation, owner, self._stop_timeouts)
        process.send(Load(LoadSpec(model.name, model.engine, folders, dict(model.options))))
        now = self._clock()
        worker = ModelWorker(model, process, started_at=now, last_message_at=now)
        self.workers[model.name] = worker
        return worker

    def remove(self, process: WorkerProcess) -> None:
        """The process is gone; of one that can never load, the files are remembered."""
        worker = self.by_process(process)
        if worker is None:
            return
        del self.workers[process.name]
        if worker.is_permanent:
            self._failed_files[process.name] = self._fingerprint(worker.model)

    def files_changed(self, model: Model) -> bool:
        """Whether the files of a model are others than those it could not be loaded from."""
        return self._fingerprint(model) != self._failed_files.get(model.name, frozenset())

    def _fingerprint(self, model: Model) -> Fingerprint:
        try:
            return fingerprint(self._library.folders(model))
        except ModelMissing:
            return frozenset()

    def by_process(self, process: WorkerProcess) -> ModelWorker | None:
        """The worker of this process, unless it is gone."""
        worker = self.workers.get(process.name)
        return worker if worker is not None and worker.process is process else None

    def by_incarnation(self, model: str, incarnation: int) -> ModelWorker | None:
        """The worker in this incarnation of the model."""
        worker = self.workers.get(model)
        return worker if worker is not None and worker.incarnation == incarnation else None

    def measure(self) -> None:
        """Read what every process holds."""
        for worker in self.workers.values():
            worker.footprint_bytes = memory.footprint_bytes(worker.process.pid) or worker.footprint_bytes
        self.spare.measure()

    async def stop_all(self) -> None:
        """Send everybody away, by force who still works for a caller that is gone, and wait until all are reaped."""
        processes = [worker.process for worker in self.workers.values()]
        for worker in self.workers.values():
            if worker.cancelled_at:
                worker.process.kill("the worker went on with a cancelled request while Senses was shutting down")
            worker.process.stop()
        self.spare.stop()
        for process in processes:
            await process.exited.wait()
        await self.spare.close()
