"""Render the runtime's state as the one frozen status. Reads everything, changes nothing."""

import os
from dataclasses import dataclass
from math import inf

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.model_record import ModelRecord
from model_runtime.status import JobStatus, MemoryStatus, ModelState, ModelStatus
from model_runtime.supervisor import memory
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.worker_pool import WorkerPool

MODEL_INFO_SECONDS = 5.0
"""What the disk says of a model is looked up again after so long."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the disk says about a model."""

    present: bool
    broken_reason: str
    default: bool
    weights_bytes: int
    needed_bytes: int
    voices: tuple[str, ...]
    languages: tuple[str, ...]
    abilities: tuple[str, ...]


class ModelInfoCache:
    """The facts of every model. Reading them takes milliseconds each, so a status rereads one model at most."""

    def __init__(self, library: CatalogProtocol) -> None:
        self._library = library
        self._facts: dict[str, ModelInfo] = {}
        self._read_at: dict[str, float] = {}

    def all(self, now: float) -> list[tuple[Model, ModelInfo]]:
        """Every model with its facts, of which the oldest are read anew where they are older than `FACTS_SECONDS`."""
        models = list(self._library.models())
        oldest = min(models, key=self._age_rank, default=None)
        for model in models:
            is_due = model is oldest and now - self._age_rank(model) >= MODEL_INFO_SECONDS
            if is_due or model.name not in self._facts:
                self._facts[model.name], self._read_at[model.name] = self._read(model), now
        return [(model, self._facts[model.name]) for model in models]

    def _age_rank(self, model: Model) -> float:
        return self._read_at.get(model.name, float("-inf"))

    def _read(self, model: Model) -> ModelInfo:
        library = self._library
        return ModelInfo(
            present=library.is_present(model),
            broken_reason=library.broken_reason(model),
            default=library.is_default(model),
            weights_bytes=library.weights_bytes(model),
            needed_bytes=library.needed_bytes(model),
            voices=library.voices(model),
            languages=library.languages(model),
            abilities=library.abilities(model),
        )


def model_status(
    model: Model,
    facts: ModelInfo,
    record: ModelRecord | None,
    worker: ModelWorker | None,
    counters: CounterRegistry,
    now: float,
) -> ModelStatus:
    """One model; `record` is None where nobody asked for it yet, `worker` where it has no process."""
    idle_seconds = now - record.idle_since if record and record.is_idle and record.idle_since is not None else None
    return ModelStatus(
        name=model.name,
        task=model.task,
        engine=model.engine,
        source=model.source,
        description=model.description,
        state=record.state if record else ModelState.ABSENT,
        present=facts.present,
        weights_bytes=facts.weights_bytes,
        starter=model.starter,
        default=facts.default,
        pinned=record.pinned if record else False,
        needed_bytes=record.needed_bytes if record else facts.needed_bytes,
        charged_bytes=record.charged_bytes if record else 0,
        footprint_bytes=worker.footprint_bytes if worker else 0,
        active=len(record.active) if record else 0,
        queued=len(record.queue) if record else 0,
        load_fraction=worker.fraction if worker and worker.loaded_at is None else None,
        stage=worker.stage if worker and worker.loaded_at is None else "",
        idle_seconds=idle_seconds,
        unloads_in_seconds=_unloads_in(record, idle_seconds),
        retry_in_seconds=_retry_in(record, now),
        loads=counters.loads(model.name),
        last_load_seconds=counters.last_load_seconds.get(model.name),
        requests=counters.requests(model.name),
        error=(record.error if record else "") or facts.broken_reason,
        voices=facts.voices,
        languages=facts.languages,
        abilities=facts.abilities,
    )


def job_status(job: ActiveRequest, scheduler: Scheduler, now: float) -> JobStatus:
    """One job, and what it waits for."""
    record = scheduler.records.get(job.model.name)
    waiting = "loading" if record is not None and record.state is ModelState.STARTING else "queued"
    is_waiting = job.granted_at is None and record is not None
    return JobStatus(
        id=job.id,
        model=job.model.name,
        task=job.task,
        client=job.client,
        state=waiting if job.granted_at is None else "running",
        position=job.position,
        stage=job.stage,
        done=job.done,
        total=job.total,
        age_seconds=now - job.arrived_at,
        reason=scheduler.explain(job.model.name) if is_waiting else "",
    )


def memory_status(scheduler: Scheduler, pool: WorkerPool) -> MemoryStatus:
    """The budget, what is charged and what is really held."""
    return MemoryStatus(
        budget_bytes=scheduler.budget_bytes,
        charged_bytes=scheduler.charged_bytes,
        footprint_bytes=sum(worker.footprint_bytes for worker in pool.workers.values()) + pool.spare.held_bytes,
        available_bytes=memory.available_bytes(),
        daemon_bytes=memory.footprint_bytes(os.getpid()),
        spare_engine=pool.spare.engine,
        spare_is_ready=pool.spare.is_ready,
        spare_bytes=pool.spare.held_bytes,
    )


def _unloads_in(record: ModelRecord | None, idle_seconds: float | None) -> float | None:
    if record is None or idle_seconds is None or record.pinned or record.keep_alive_seconds < 0:
        return None
    return max(record.keep_alive_seconds - idle_seconds, 0.0)


def _retry_in(record: ModelRecord | None, now: float) -> float | None:
    if record is None or record.state is not ModelState.BACKOFF or record.retry_at == inf:
        return None
    return max(record.retry_at - now, 0.0)
