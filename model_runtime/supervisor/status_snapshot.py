"""Renders a view of the supervisor as a `Status`. Pure, except that it reads the memory of machine and daemon."""

import os
from collections.abc import Iterable
from math import inf

from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.status import JobStatus, MemoryStatus, ModelState, ModelStatus, Status
from model_runtime.supervisor import memory
from model_runtime.supervisor.views import ModelView, RequestView, SupervisorView


def render_status(
    view: SupervisorView,
    models: Iterable[tuple[Model, ModelInfo]],
    *,
    version: str,
    uptime_seconds: float,
    now: float,
    problems: tuple[str, ...] = (),
) -> Status:
    """Return the status: models on disk and in memory, open requests, memory, totals since the start.

    `now` is in seconds of the runtime's clock.
    """
    return Status(
        version=version,
        pid=os.getpid(),
        uptime_seconds=uptime_seconds,
        accepting=not view.is_closing,
        memory=memory_status(view),
        models=tuple(model_status(model, info, view, now) for model, info in models),
        jobs=tuple(request_status(request, view.models.get(request.model), now) for request in view.requests),
        counters=view.counters,
        problems=problems,
    )


def model_status(model: Model, info: ModelInfo, view: SupervisorView, now: float) -> ModelStatus:
    """Return the status of one model; the view does not hold one that was never requested."""
    name = model.name
    used, worker = view.models.get(name), view.workers.get(name)
    idle_seconds = now - used.idle_since if used and used.is_idle and used.idle_since is not None else None
    loading = worker if worker and worker.is_loading else None
    kept_seconds = _seconds_until(used.kept_until, now) if used else None
    return ModelStatus(
        name=name,
        task=model.task,
        engine=model.engine,
        source=model.source,
        description=model.description,
        state=used.state if used else ModelState.ABSENT,
        present=info.present,
        weights_bytes=info.weights_bytes,
        starter=model.starter,
        default=info.default,
        pinned=used.pinned if used else False,
        needed_bytes=used.needed_bytes if used else info.needed_bytes,
        charged_bytes=used.charged_bytes if used else 0,
        footprint_bytes=worker.footprint_bytes if worker else 0,
        active=used.active if used else 0,
        queued=used.queued if used else 0,
        load_fraction=loading.fraction if loading else None,
        stage=loading.stage if loading else "",
        idle_seconds=idle_seconds,
        unloads_in_seconds=_unloads_in_seconds(used, idle_seconds, kept_seconds),
        retry_in_seconds=_retry_in_seconds(used, now),
        loads=view.counters.loads.get((name, "ok"), 0),
        last_load_seconds=view.last_load_seconds.get(name),
        requests=sum(number for (served, _, _), number in view.counters.requests.items() if served == name),
        error=info.broken_reason or (used.error if used else ""),
        failure=_failure(info, used),
        voices=info.voices,
        languages=info.languages,
        abilities=info.abilities,
        context_tokens=info.context_tokens,
        kept_seconds=kept_seconds,
        working_bytes=used.charged_bytes - used.resident_bytes if used else 0,
        licence=model.licence,
        origin="starter" if model.starter else "folder" if model.path else "hub",
    )


def request_status(request: RequestView, model: ModelView | None, now: float) -> JobStatus:
    """Return the status of one open request."""
    queued_state = "loading" if model is not None and model.state is ModelState.STARTING else "queued"
    return JobStatus(
        id=request.id,
        model=request.model,
        task=request.task,
        client=request.client,
        state=queued_state if request.granted_at is None else "running",
        position=request.position,
        stage=request.stage,
        done=request.done,
        total=request.total,
        age_seconds=now - request.arrived_at,
        reason=request.reason,
        preview_step=request.preview_step,
    )


def memory_status(view: SupervisorView) -> MemoryStatus:
    """Return the budget and the charged and measured memory, in bytes."""
    footprint_bytes = sum(worker.footprint_bytes for worker in view.workers.values()) + view.spare.held_bytes
    total_bytes, available_bytes, daemon_bytes = (
        memory.total_bytes(),
        memory.available_bytes(),
        memory.own_footprint_bytes(),
    )
    return MemoryStatus(
        budget_bytes=view.budget_bytes,
        charged_bytes=view.charged_bytes,
        footprint_bytes=footprint_bytes,
        available_bytes=available_bytes,
        daemon_bytes=daemon_bytes,
        spare_engine=view.spare.engine,
        spare_is_ready=view.spare.is_ready,
        spare_bytes=view.spare.held_bytes,
        total_bytes=total_bytes,
        other_bytes=max(total_bytes - available_bytes - footprint_bytes - daemon_bytes, 0),
        evictable_bytes=sum(model.charged_bytes for model in view.models.values() if model.is_evictable),
    )


def _failure(info: ModelInfo, model: ModelView | None) -> str:
    if info.broken_reason:
        return "cannot be used"
    if model is None or not model.error:
        return ""
    return "failed to load" if model.failed_to_load else "stopped unexpectedly"


def _seconds_until(then: float, now: float) -> float | None:
    return then - now if then > now else None


def _unloads_in_seconds(
    model: ModelView | None, idle_seconds: float | None, kept_seconds: float | None
) -> float | None:
    if model is None or idle_seconds is None or model.pinned or model.keep_alive_seconds < 0:
        return None
    return max(model.keep_alive_seconds - idle_seconds, kept_seconds or 0.0, 0.0)


def _retry_in_seconds(model: ModelView | None, now: float) -> float | None:
    if model is None or model.state is not ModelState.BACKOFF or model.retry_at == inf:
        return None
    return max(model.retry_at - now, 0.0)
