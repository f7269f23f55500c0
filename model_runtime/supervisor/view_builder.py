"""Build the frozen view of the supervisor from its tables. Reads everything, changes nothing."""

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.model_record import ModelRecord
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.spare_worker import SpareWorker
from model_runtime.supervisor.views import (
    ModelView,
    RequestView,
    SpareView,
    SupervisorView,
    UpkeepView,
    WorkerView,
)
from model_runtime.supervisor.worker_pool import WorkerPool


def build_view(
    scheduler: Scheduler, requests: RequestTable, pool: WorkerPool, counters: CounterRegistry, upkeep: UpkeepView
) -> SupervisorView:
    """Return everything at this moment."""
    return SupervisorView(
        models={name: _model(record) for name, record in scheduler.records.items()},
        workers={name: _worker(worker) for name, worker in pool.workers.items()},
        requests=tuple(_request(request, scheduler) for request in requests.active.values()),
        spare=_spare(pool.spare),
        budget_bytes=scheduler.budget_bytes,
        charged_bytes=scheduler.charged_bytes,
        is_closing=scheduler.closing,
        finished_count=requests.finished_count,
        upkeep=upkeep,
        counters=counters.snapshot(),
        last_load_seconds=dict(counters.last_load_seconds),
    )


def _model(record: ModelRecord) -> ModelView:
    return ModelView(
        name=record.name,
        state=record.state,
        pinned=record.pinned,
        needed_bytes=record.needed_bytes,
        charged_bytes=record.charged_bytes,
        resident_bytes=record.resident_bytes,
        active=len(record.active),
        queued=len(record.queue),
        is_idle=record.is_idle,
        idle_since=record.idle_since,
        keep_alive_seconds=record.keep_alive_seconds,
        retry_at=record.retry_at,
        error=record.error,
    )


def _worker(worker: ModelWorker) -> WorkerView:
    return WorkerView(
        model=worker.model.name,
        incarnation=worker.incarnation,
        footprint_bytes=worker.footprint_bytes,
        last_message_at=worker.last_message_at,
        is_paused=worker.is_paused,
        oldest_cancel_at=min(worker.cancelled_at.values(), default=None),
        is_loading=worker.loaded_at is None,
        stage=worker.stage,
        fraction=worker.fraction,
    )


def _request(request: ActiveRequest, scheduler: Scheduler) -> RequestView:
    is_waiting = request.granted_at is None and request.model.name in scheduler.records
    return RequestView(
        id=request.id,
        model=request.model.name,
        task=request.task,
        client=request.client,
        incarnation=request.incarnation,
        arrived_at=request.arrived_at,
        granted_at=request.granted_at,
        last_progress_at=request.last_progress_at,
        queue_full_since=request.queue_full_since,
        position=request.position,
        stage=request.stage,
        done=request.done,
        total=request.total,
        reason=scheduler.explain(request.model.name) if is_waiting else "",
    )


def _spare(spare: SpareWorker) -> SpareView:
    return SpareView(spare.engine, spare.is_ready, spare.held_bytes)
