"""How long queued requests still wait: from what the running ones have left and how long requests take. Pure."""

from collections.abc import Sequence
from heapq import heapify, heapreplace

from model_runtime.scheduler.model_record import ModelRecord, QueuedRequest
from model_runtime.status import ModelState

SHORTEST_REMAINING_SECONDS = 1.0
"""What a request without a known progress has left once it has run longer than others did."""


def start_seconds(record: ModelRecord, queue: Sequence[QueuedRequest], now: float) -> list[float]:
    """Estimate for each request of `queue`, in the order of service, in how many seconds it starts."""
    loading_seconds = _loading_seconds(record, now)
    slots = _slots(list(record.active.values()), record, record.spec.concurrency, now)
    batch = [request for request in record.active.values() if request.is_batch]
    batch_slots = _slots(batch, record, record.batch_slots, now)
    starts = []
    for request in queue:
        start = max(slots[0], batch_slots[0]) if request.is_batch else slots[0]
        end = start + service_seconds(request, record)
        heapreplace(slots, end)
        if request.is_batch:
            heapreplace(batch_slots, end)
        starts.append(loading_seconds + start)
    return starts


def service_seconds(request: QueuedRequest, record: ModelRecord) -> float:
    """Return how long requests of this kind ran on average."""
    return record.batch_service_seconds if request.is_batch else record.service_seconds


def remaining_seconds(request: QueuedRequest, record: ModelRecord, now: float) -> float:
    """Estimate how long a running request still takes: by its progress, or else by how long others took."""
    elapsed_seconds = now - (request.granted_at or 0.0)
    if request.done_share > 0:
        return elapsed_seconds * (1 - request.done_share) / request.done_share
    return max(service_seconds(request, record) - elapsed_seconds, SHORTEST_REMAINING_SECONDS)


def _slots(running: Sequence[QueuedRequest], record: ModelRecord, count: int, now: float) -> list[float]:
    """Return a heap of the seconds after which each of `count` slots is free."""
    slots = [remaining_seconds(request, record, now) for request in running]
    slots += [0.0] * (count - len(slots))
    heapify(slots)
    return slots


def _loading_seconds(record: ModelRecord, now: float) -> float:
    """Return how long the load of the model still takes, with a pause before it if there is one."""
    if record.state is ModelState.READY:
        return 0.0
    if record.state is ModelState.STARTING:
        return max(record.load_seconds - (now - record.started_at), 0.0)
    pause_seconds = max(record.retry_at - now, 0.0) if record.state is ModelState.BACKOFF else 0.0
    return pause_seconds + record.load_seconds
