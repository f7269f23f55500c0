"""Every interleaving of small worlds: the invariants hold in each state, and from each every request can be served."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.lanes import EXCLUSIVE_LANE, NO_LANES, Lanes
from model_runtime.scheduler.messages import (
    MemoryMeasured,
    MemoryPressure,
    ModelLoaded,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    RetryRequested,
    Tick,
    UnloadRequested,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelSpec, QueuedRequest, SchedulerLimits
from model_runtime.status import ModelState
from tests.model_runtime.scheduler.world import SimulatedWorld, position_of

pytestmark = pytest.mark.slow

Arrivals = tuple[RequestArrived, ...]
"""Requests still to arrive, in order."""

STEP_SECONDS = 2.0
LIMITS = SchedulerLimits(
    queue_per_model=2,
    queue_bytes=2,
    queue_seconds=1e9,
    load_seconds=6.0,
    starvation_seconds=2.0,
    backoff_seconds=(1.0, 4.0),
    breaker_failures=2,
    breaker_seconds=(4.0, 4.0),
    ageing_seconds=3.0,
    min_residency_seconds=0.0,
    retry_seconds=3.0,
    warning_idle_seconds=2.0,
    warning_interval_seconds=4.0,
)
LONGEST_SECONDS = 4.0
"""No limit of these worlds is longer than this."""


def small_world(
    budget: int, *, concurrency: int = 1, pinned: bool = False, lanes: Lanes = NO_LANES, unreliable: bool = False
) -> SimulatedWorld:
    specs = [
        ModelSpec("A", 3, 1.0, concurrency, keep_alive_seconds=4.0, pinned=pinned),
        ModelSpec("B", 2, 1.0, keep_alive_seconds=4.0),
        ModelSpec("C", 2, 1.0, keep_alive_seconds=4.0),
    ]
    limits = replace(LIMITS, min_residency_seconds=2.0 if unreliable else 0.0)
    return SimulatedWorld(Scheduler(specs, budget, limits, lanes=lanes), unreliable=unreliable)


@pytest.mark.promise("runtime:no-deadlock")
@pytest.mark.parametrize(
    ("world", "arrivals"),
    [
        (small_world(4), (RequestArrived(1, "A"), RequestArrived(2, "B"), RequestArrived(3, "C"))),
        (
            small_world(5, concurrency=2),
            (RequestArrived(1, "A"), RequestArrived(2, "A", working_bytes=2), RequestArrived(3, "B")),
        ),
        (small_world(6, pinned=True), (RequestArrived(1, "A"), RequestArrived(2, "B", working_bytes=1))),
        (
            small_world(7, lanes=EXCLUSIVE_LANE),
            (
                RequestArrived(1, "A", client="x"),
                RequestArrived(2, "B", client="y", is_batch=True),
                RequestArrived(3, "A", client="y"),
            ),
        ),
        (
            small_world(5, concurrency=3),
            (
                RequestArrived(1, "A", is_batch=True),
                RequestArrived(2, "A", is_batch=True, request_bytes=2),
                RequestArrived(3, "A", request_bytes=1),
            ),
        ),
        (small_world(5, unreliable=True), (RequestArrived(1, "B"), RequestArrived(2, "A"))),
    ],
    ids=[
        "three models, room for two",
        "two requests on one model with working memory",
        "one pinned",
        "clients, batch work and one lane",
        "long and short work of one model, and a bound of bytes",
        "memory pressure, growing models, retried requests and models",
    ],
)
def test_in_every_interleaving_the_invariants_hold_and_no_request_waits_for_ever(
    world: SimulatedWorld, arrivals: Arrivals
) -> None:
    reachable, served, backward = explore(world, arrivals)

    assert len(reachable) > 300
    assert stuck_in(reachable, served, backward) == set()


def stuck_in(reachable: set[object], served: set[object], backward: dict[object, list[object]]) -> set[object]:
    """Return the states from which fair steps alone cannot serve every request."""
    can_be_served = set(served)
    frontier = list(served)
    while frontier:
        for before in backward.get(frontier.pop(), ()):
            if before not in can_be_served:
                can_be_served.add(before)
                frontier.append(before)
    return reachable - can_be_served


def explore(start: SimulatedWorld, arrivals: Arrivals) -> tuple[set[object], set[object], dict[object, list[object]]]:
    """Return all reachable states, those without an open request, and the fair steps between them, backwards."""
    first = shape(start, arrivals)
    reachable, served, backward = {first}, set(), dict[object, list[object]]()
    frontier = [(start, arrivals, first)]
    while frontier:
        world, remaining, here = frontier.pop()
        if not world.scheduler.requests:
            served.add(here)
        for fair, twin, left in successors(world, remaining):
            there = shape(twin, left)
            if fair:
                backward.setdefault(there, []).append(here)
            if there not in reachable:
                reachable.add(there)
                frontier.append((twin, left, there))
    return reachable, served, backward


def successors(world: SimulatedWorld, arrivals: Arrivals) -> Iterator[tuple[bool, SimulatedWorld, Arrivals]]:
    """Yield every possible next step; a step is fair if a real machine takes it sooner or later by itself."""
    copies = world.copies()
    for fair, step in steps(world):
        twin = next(copies)
        step(twin)
        yield fair, twin, arrivals
    if arrivals:
        twin = next(copies)
        twin.dispatch(arrivals[0])
        yield False, twin, arrivals[1:]


def steps(world: SimulatedWorld) -> Iterator[tuple[bool, Callable[[SimulatedWorld], object]]]:
    """Yield what the machine and the callers may do now."""
    for process in world.processes:
        record = world.scheduler.records[process[0]]
        if process in world.stopping:
            yield True, partial(reap, process=process)
        elif record.state is ModelState.STARTING:
            yield True, partial(load, process=process)
        elif record.state is ModelState.READY:
            yield False, partial(SimulatedWorld.dispatch, event=UnloadRequested(process[0]))
            if world.unreliable and record.is_idle and record.resident_bytes == record.spec.needed_bytes:
                yield False, partial(grow, process=process)
        if record.failures < 1 and process not in world.stopping:
            yield False, partial(reap, process=process)
            if world.unreliable:
                yield False, partial(reap, process=process, retriable=frozenset(world.running))
                yield False, partial(reap, process=process, retriable=frozenset(world.running), out_of_memory=True)
    if world.unreliable:
        yield False, partial(SimulatedWorld.dispatch, event=MemoryPressure(is_critical=True))
        yield False, partial(SimulatedWorld.dispatch, event=MemoryPressure(is_critical=False))
        for record in world.scheduler.records.values():
            if record.state is ModelState.BACKOFF:
                yield False, partial(SimulatedWorld.dispatch, event=RetryRequested(record.name))
    for request in world.running:
        yield True, partial(finish, request=request)
    for request in world.scheduler.requests:
        if request not in world.cancelled:
            yield False, partial(leave, request=request)
    yield True, partial(SimulatedWorld.dispatch, event=Tick(), after_seconds=STEP_SECONDS)


def load(world: SimulatedWorld, process: tuple[str, int]) -> None:
    world.processes[process] = measured = world.scheduler.records[process[0]].spec.needed_bytes
    world.dispatch(ModelLoaded(*process, measured))


def grow(world: SimulatedWorld, process: tuple[str, int]) -> None:
    """Let an idle model grow by one byte, within the budget: beyond it the world's checks do not hold."""
    world.processes[process] += 1
    if sum(world.processes.values()) > world.scheduler.budget_bytes:
        world.processes[process] -= 1
    world.dispatch(MemoryMeasured(*process, world.processes[process]))


def reap(
    world: SimulatedWorld,
    process: tuple[str, int],
    retriable: frozenset[int] = frozenset(),
    *,
    out_of_memory: bool = False,
) -> None:
    world.remove_process(process)
    world.dispatch(WorkerExited(*process, cause="gone", retriable=retriable, out_of_memory=out_of_memory))


def finish(world: SimulatedWorld, request: int) -> None:
    model, incarnation = world.finish_request(request)
    world.dispatch(RequestFinished(request, model, incarnation))


def leave(world: SimulatedWorld, request: int) -> None:
    if position_of(world.scheduler, request):
        world.record_answer(request, "left")
    world.dispatch(RequestCancelled(request))


def shape(world: SimulatedWorld, arrivals: Arrivals) -> object:
    """Return the state without absolute times and numbers: equal shapes allow equal next steps."""
    scheduler, now = world.scheduler, world.now
    models = tuple(
        (
            record.state,
            record.resident_bytes,
            record.unload_reason,
            record.failures,
            record.pinned,
            tuple(
                (request.id, request.cancelled, world.unreliable and facts(request, now))
                for request in record.active.values()
            ),
            tuple(facts(request, now) for request in record.queue),
            min(now - record.idle_since, LONGEST_SECONDS) if record.idle_since is not None else -1.0,
            min(now - record.yielded_at, LONGEST_SECONDS),
            record.has_served or now - record.ready_at >= scheduler.limits.min_residency_seconds,
            tuple(sorted(record.last_served_round, key=record.last_served_round.__getitem__)),
            record.needed_bytes,
            max(record.retry_at - now, 0.0) if record.state is ModelState.BACKOFF else 0.0,
            max(record.load_deadline - now, 0.0) if record.state is ModelState.STARTING else 0.0,
        )
        for record in scheduler.records.values()
    )
    order = tuple(sorted(scheduler.requests, key=lambda id_: scheduler.requests[id_].arrival_number))
    return arrivals, scheduler.waiting_for_memory, models, order, frozenset(world.stopping)


def facts(request: QueuedRequest, now: float) -> tuple[object, ...]:
    """Return what of a request influences later steps."""
    return request.id, min(now - request.arrived_at, LONGEST_SECONDS), request.attempts
