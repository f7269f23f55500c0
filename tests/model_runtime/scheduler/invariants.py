"""The invariants of the scheduler, checked in any state; each violation is a sentence."""

from collections.abc import Iterator

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.model_record import CHARGED_STATES, ModelRecord
from model_runtime.status import ModelState


def violations(scheduler: Scheduler) -> list[str]:
    """Return a sentence for every invariant that does not hold."""
    found = [problem for record in scheduler.records.values() for problem in _of_record(scheduler, record)]
    ids = [id_ for record in scheduler.records.values() for id_ in (*record.active, *(r.id for r in record.queue))]
    if sorted(ids) != sorted(scheduler.requests):
        found.append(f"requests {sorted(scheduler.requests)} are not the queued and active ones {sorted(ids)}")
    if scheduler.queued > 1 and scheduler.queued_bytes > scheduler.limits.queue_bytes + _largest_bytes(scheduler):
        found.append(f"{scheduler.queued} requests with {scheduler.queued_bytes} bytes wait")
    if scheduler.excess_bytes and not _is_reclaiming(scheduler):
        found.append(f"{scheduler.excess_bytes} bytes over budget although idle models could be unloaded")
    return found


def _of_record(scheduler: Scheduler, record: ModelRecord) -> Iterator[str]:
    name, state = record.name, record.state
    if (record.resident_bytes > 0) != (state in CHARGED_STATES):
        yield f"{name} is {state} and holds {record.resident_bytes} bytes"
    if record.active and state not in (ModelState.READY, ModelState.DRAINING):
        yield f"{name} is {state} with {len(record.active)} active requests"
    if state is ModelState.DRAINING and not record.active:
        yield f"{name} drains without an active request"
    if len(record.active) > record.spec.concurrency:
        yield f"{name} runs {len(record.active)} requests at once"
    if sum(request.is_batch for request in record.active.values()) > max(1, record.spec.concurrency // 2):
        yield f"{name} runs batch requests in the slots of interactive ones"
    if any(seconds < 0 for seconds in scheduler.start_seconds(record)):
        yield f"{name} estimates {scheduler.start_seconds(record)}"
    if len(record.queue) > scheduler.limits.queue_per_model:
        yield f"{name} has a queue of {len(record.queue)}"
    for client in {request.client for request in record.queue}:
        for batch in (False, True):
            orders = [one.arrival_number for one in record.queue if (one.client, one.is_batch) == (client, batch)]
            if orders != sorted(orders):
                yield f"{name} does not serve {client!r} in order of arrival: {orders}"
    if any(request.granted_at is not None for request in record.queue):
        yield f"{name} has a granted request in its queue"


def _largest_bytes(scheduler: Scheduler) -> int:
    """Return the size of the largest queued request: one may wait however large it is."""
    return max(request.request_bytes for record in scheduler.records.values() for request in record.queue)


def _is_reclaiming(scheduler: Scheduler) -> bool:
    records = scheduler.records.values()
    unused = [record for record in records if record.is_idle and not record.pinned and not record.queue]
    unloading = [record for record in records if record.state in (ModelState.STOPPING, ModelState.DRAINING)]
    return not unused or sum(record.charged_bytes for record in unloading) >= scheduler.excess_bytes
