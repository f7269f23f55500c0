"""Every interleaving of small worlds: what must hold, holds in each; and from each, everybody can still be served."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import Arrived, Ended, Exited, Left, Loaded, Tick, UnloadWanted
from model_runtime.scheduler.records import Limits, ModelPlan
from model_runtime.status import ModelState
from tests.model_runtime.scheduler.world import World

Asked = tuple[tuple[int, str, int], ...]
"""(request, model, working bytes) still to arrive, in order."""

STEP_SECONDS = 2.0
LIMITS = Limits(
    queue_per_model=2,
    queue_seconds=1e9,
    load_seconds=6.0,
    overtake_seconds=2.0,
    backoff_seconds=(1.0, 4.0),
    breaker_failures=2,
)


def small_world(budget: int, *, concurrency: int = 1, pinned: bool = False) -> World:
    plans = [
        ModelPlan("A", 3, 1.0, concurrency, keep_alive_seconds=4.0, pinned=pinned),
        ModelPlan("B", 2, 1.0, keep_alive_seconds=4.0),
        ModelPlan("C", 2, 1.0, keep_alive_seconds=4.0),
    ]
    return World(Scheduler(plans, budget, LIMITS))


@pytest.mark.promise("runtime:no-deadlock")
@pytest.mark.parametrize(
    ("world", "asked"),
    [
        (small_world(4), ((1, "A", 0), (2, "B", 0), (3, "C", 0))),
        (small_world(5, concurrency=2), ((1, "A", 0), (2, "A", 2), (3, "B", 0))),
        (small_world(6, pinned=True), ((1, "A", 0), (2, "B", 1))),
    ],
    ids=["three models, room for two", "two requests on one model with working memory", "one pinned"],
)
def test_in_every_interleaving_the_invariants_hold_and_nobody_waits_for_ever(world: World, asked: Asked) -> None:
    reachable, served, backward = explore(world, asked)

    can_be_served = set(served)
    frontier = list(served)
    while frontier:
        for before in backward.get(frontier.pop(), ()):
            if before not in can_be_served:
                can_be_served.add(before)
                frontier.append(before)

    assert len(reachable) > 300
    assert reachable - can_be_served == set()


def explore(start: World, asked: Asked) -> tuple[set[object], set[object], dict[object, list[object]]]:
    """Return all reachable states, those with nobody waiting, and the fair steps between them, backwards."""
    first = shape(start, asked)
    reachable, served, backward = {first}, set(), dict[object, list[object]]()
    todo = [(start, asked, first)]
    while todo:
        world, left, here = todo.pop()
        if not world.scheduler.requests:
            served.add(here)
        for fair, twin, rest in successors(world, left):
            there = shape(twin, rest)
            if fair:
                backward.setdefault(there, []).append(here)
            if there not in reachable:
                reachable.add(there)
                todo.append((twin, rest, there))
    return reachable, served, backward


def successors(world: World, asked: Asked) -> Iterator[tuple[bool, World, Asked]]:
    """All that can happen next; `fair` steps are those a real machine makes sooner or later by itself."""
    for fair, happen in steps(world):
        twin = world.copy()
        happen(twin)
        yield fair, twin, asked
    if asked:
        (request, model, working), *rest = asked
        twin = world.copy()
        twin.happen(Arrived(request, model, working_bytes=working))
        yield False, twin, tuple(rest)


def steps(world: World) -> Iterator[tuple[bool, Callable[[World], object]]]:
    """What the machine and the callers may do now."""
    for process in world.processes:
        record = world.scheduler.records[process[0]]
        if process in world.stopping:
            yield True, partial(reap, process=process)
        elif record.state is ModelState.STARTING:
            yield True, partial(load, process=process)
        elif record.state is ModelState.READY:
            yield False, partial(World.happen, happening=UnloadWanted(process[0]))
        if record.failures < 1 and process not in world.stopping:
            yield False, partial(reap, process=process)
    for request in world.running:
        yield True, partial(finish, request=request)
    for request in world.scheduler.requests:
        if request not in world.revoked:
            yield False, partial(leave, request=request)
    yield True, partial(World.happen, happening=Tick(), after_seconds=STEP_SECONDS)


def load(world: World, process: tuple[str, int]) -> None:
    world.processes[process] = measured = world.scheduler.records[process[0]].plan.needed_bytes
    world.happen(Loaded(*process, measured))


def reap(world: World, process: tuple[str, int]) -> None:
    world.exit(process)
    world.happen(Exited(*process, cause="gone"))


def finish(world: World, request: int) -> None:
    model, incarnation = world.end(request)
    world.happen(Ended(request, model, incarnation))


def leave(world: World, request: int) -> None:
    if world.scheduler.position(request):
        world.answer(request, "left")
    world.happen(Left(request))


def shape(world: World, asked: Asked) -> object:
    """The state without absolute times and numbers: equal shapes have equal futures."""
    scheduler, now = world.scheduler, world.now
    models = tuple(
        (
            record.state,
            record.resident_bytes,
            record.leaving,
            record.failures,
            record.pinned,
            tuple((request.id, request.revoked) for request in record.active.values()),
            tuple((request.id, min(now - request.arrived_at, 4.0), request.attempts) for request in record.queue),
            min(now - record.idle_since, 4.0) if record.idle_since is not None else -1.0,
            max(record.not_before - now, 0.0) if record.state is ModelState.BACKOFF else 0.0,
            max(record.load_deadline - now, 0.0) if record.state is ModelState.STARTING else 0.0,
        )
        for record in scheduler.records.values()
    )
    order = tuple(sorted(scheduler.requests, key=lambda id_: scheduler.requests[id_].order))
    return asked, scheduler.memory_waiter, models, order, frozenset(world.stopping)
