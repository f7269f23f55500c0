"""Where models live: one process each, and perhaps a spare one."""

from collections.abc import Callable

from model_runtime.catalog.fingerprint import Fingerprint, fingerprint
from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import Library
from model_runtime.errors import ModelMissing
from model_runtime.ipc.messages import Load
from model_runtime.loading import LoadSpec
from model_runtime.process.process import Owner, Patience, WorkerProcess
from model_runtime.supervisor import memory
from model_runtime.supervisor.model_worker import Tenant
from model_runtime.supervisor.spare_worker import Spare


class House:
    """The tenants by model name."""

    def __init__(self, library: Library, clock: Callable[[], float], patience: Patience) -> None:
        self.tenants: dict[str, Tenant] = {}
        self.spare = Spare(patience)
        self._broken: dict[str, Fingerprint] = {}
        """The files of models that could not be loaded from them."""
        self._library = library
        self._clock = clock
        self._patience = patience

    def move_in(self, model: Model, incarnation: int, owner: Owner) -> Tenant:
        """Start a process, or take the spare one, and let it load the model.

        Raises:
            ModelMissing: the files are gone.
            OSError: the system refuses another process.
        """
        folders = {role: str(folder) for role, folder in self._library.folders(model).items()}
        process = self.spare.take(model.engine, model.name, incarnation, owner)
        process = process or WorkerProcess(model.name, incarnation, owner, self._patience)
        process.send(Load(LoadSpec(model.name, model.engine, folders, dict(model.options))))
        now = self._clock()
        tenant = Tenant(model, process, started_at=now, heard_at=now)
        self.tenants[model.name] = tenant
        return tenant

    def move_out(self, process: WorkerProcess) -> None:
        """The process is gone; of one that can never load, the files are remembered."""
        tenant = self.of(process)
        if tenant is None:
            return
        del self.tenants[process.name]
        if tenant.is_permanent:
            self._broken[process.name] = self._files_of(tenant.model)

    def is_mended(self, model: Model) -> bool:
        """Whether the files of a model are others than those it could not be loaded from."""
        return self._files_of(model) != self._broken.get(model.name, frozenset())

    def _files_of(self, model: Model) -> Fingerprint:
        try:
            return fingerprint(self._library.folders(model))
        except ModelMissing:
            return frozenset()

    def of(self, process: WorkerProcess) -> Tenant | None:
        """The tenant of this process, unless it is gone."""
        tenant = self.tenants.get(process.name)
        return tenant if tenant is not None and tenant.process is process else None

    def at(self, model: str, incarnation: int) -> Tenant | None:
        """The tenant in this incarnation of the model."""
        tenant = self.tenants.get(model)
        return tenant if tenant is not None and tenant.incarnation == incarnation else None

    def measure(self) -> None:
        """Read what every process holds."""
        for tenant in self.tenants.values():
            tenant.footprint_bytes = memory.footprint_bytes(tenant.process.pid) or tenant.footprint_bytes
        self.spare.measure()

    async def clear(self) -> None:
        """Send everybody away, by force who still works for a caller that is gone, and wait until all are reaped."""
        processes = [tenant.process for tenant in self.tenants.values()]
        for tenant in self.tenants.values():
            if tenant.revoked:
                tenant.process.kill("it went on with a cancelled job while Senses was shutting down")
            tenant.process.stop()
        self.spare.drop()
        for process in processes:
            await process.exited.wait()
        await self.spare.clear()
