"""Long random sequences of events for seven models: four budgets, pins, crashes, late reaping, stale events."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import (
    BudgetChanged,
    MemoryPressure,
    ModelLoaded,
    PinChanged,
    ProgressMeasured,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    Tick,
    TimeSkipped,
    UnloadRequested,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelSpec, SchedulerLimits
from model_runtime.status import ModelState
from tests.model_runtime.scheduler.world import SimulatedWorld, position_of

TENTHS_OF_GB = {
    "vlm-fast": 37,
    "vlm-best": 56,
    "image-gen": 96,
    "stt-fast": 15,
    "stt-best": 31,
    "tts-fast": 3,
    "tts-stream": 16,
}
CONCURRENCY = {"vlm-fast": 2, "stt-fast": 3}
NAMES = st.sampled_from(sorted(TENTHS_OF_GB))
PAUSES = st.sampled_from([0.0, 0.1, 5.0, 60.0])


class RandomEvents(RuleBasedStateMachine):
    """The world checks every step; at the end, fair steps must answer every request."""

    @initialize(
        budget=st.sampled_from([110, 140, 180, 240]),
        pins=st.sets(st.sampled_from(["tts-fast", "stt-fast"])),
    )
    def begin(self, budget: int, pins: set[str]) -> None:
        specs = [
            ModelSpec(name, size, 1 + size / 25, CONCURRENCY.get(name, 1), pinned=name in pins)
            for name, size in TENTHS_OF_GB.items()
        ]
        self.world = SimulatedWorld(Scheduler(specs, budget, SchedulerLimits(queue_per_model=4, queue_bytes=20)))
        self.arrived = 0

    @rule(
        name=NAMES,
        pause=PAUSES,
        working=st.sampled_from([0, 2, 10]),
        size=st.sampled_from([0, 5, 30]),
        keep=st.sampled_from([None, 0.0, -1.0, 30.0]),
        is_batch=st.booleans(),
    )
    def arrive(self, name: str, pause: float, working: int, size: int, keep: float | None, is_batch: bool) -> None:
        self.arrived += 1
        arrived = RequestArrived(
            self.arrived,
            name,
            working_bytes=working,
            request_bytes=size,
            keep_alive_seconds=keep,
            is_batch=is_batch,
        )
        self.world.dispatch(arrived, pause)

    @rule(share=st.sampled_from([0.0, 0.01, 0.5, 1.0]), pause=PAUSES)
    def progress(self, share: float, pause: float) -> None:
        self.world.dispatch(ProgressMeasured(dict.fromkeys([*self.world.running, -1], share)), pause)

    @precondition(lambda self: self.world.running)
    @rule(data=st.data(), ok=st.booleans())
    def finish(self, data: st.DataObject, ok: bool) -> None:
        request = data.draw(st.sampled_from(sorted(self.world.running)))
        model, incarnation = self.world.finish_request(request)
        self.world.dispatch(RequestFinished(request, model, incarnation, ok), 1.0)

    @precondition(lambda self: set(self.world.scheduler.requests) - self.world.cancelled)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(set(self.world.scheduler.requests) - self.world.cancelled)))
        if position_of(self.world.scheduler, request):
            self.world.record_answer(request, "left")
        self.world.dispatch(RequestCancelled(request))

    @precondition(lambda self: self.loading())
    @rule(data=st.data(), share=st.sampled_from([0.8, 1.0]))
    def load(self, data: st.DataObject, share: float) -> None:
        process = data.draw(st.sampled_from(self.loading()))
        reserved = self.world.processes[process]
        self.world.processes[process] = measured = max(1, int(reserved * share))
        self.world.dispatch(ModelLoaded(*process, measured), 2.0)

    @precondition(lambda self: self.world.processes)
    @rule(data=st.data(), permanent=st.booleans(), out_of_memory=st.booleans())
    def die(self, data: st.DataObject, permanent: bool, out_of_memory: bool) -> None:
        process = data.draw(st.sampled_from(sorted(self.world.processes)))
        running = frozenset(request for request, on in self.world.running.items() if on == process)
        self.world.remove_process(process)
        exited = WorkerExited(
            *process,
            cause="died",
            permanent=permanent,
            oom_suspected=out_of_memory,
            out_of_memory=out_of_memory,
            retriable=running if out_of_memory else frozenset(),
        )
        self.world.dispatch(exited)

    @rule(is_critical=st.booleans(), pause=PAUSES)
    def press(self, is_critical: bool, pause: float) -> None:
        self.world.dispatch(MemoryPressure(is_critical), pause)

    @rule(seconds=st.sampled_from([6.0, 3600.0]))
    def sleep(self, seconds: float) -> None:
        self.world.dispatch(TimeSkipped(seconds), seconds)

    @rule(name=NAMES, incarnation=st.integers(0, 3))
    def send_stale_event(self, name: str, incarnation: int) -> None:
        if (name, incarnation) in self.world.processes:
            return
        before = self.world.scheduler.charged_bytes
        for stale in (
            WorkerExited(name, incarnation),
            ModelLoaded(name, incarnation, 1),
            RequestFinished(1, name, incarnation),
        ):
            self.world.scheduler.handle(self.world.now, stale)
        assert self.world.scheduler.charged_bytes == before

    @rule(pause=st.sampled_from([0.5, 3.0, 30.0, 301.0]))
    def wait(self, pause: float) -> None:
        self.world.dispatch(Tick(), pause)

    @rule(name=NAMES)
    def unload(self, name: str) -> None:
        self.world.dispatch(UnloadRequested(name))

    @rule(name=st.sampled_from(["tts-fast", "stt-fast"]), pinned=st.booleans())
    def pin(self, name: str, pinned: bool) -> None:
        self.world.dispatch(PinChanged(name, pinned))

    @rule()
    def widen(self) -> None:
        self.world.dispatch(BudgetChanged(self.world.scheduler.budget_bytes + 5))

    def loading(self) -> list[tuple[str, int]]:
        """Return the processes that are loading."""
        records = self.world.scheduler.records
        return sorted(process for process in self.world.processes if records[process[0]].state is ModelState.STARTING)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for _ in range(400):
            if not self.world.scheduler.requests:
                return
            self.take_fair_steps()
        raise AssertionError(f"never answered: {self.world.scheduler.requests}")

    def take_fair_steps(self) -> None:
        """Finish every load, exit and request."""
        world = self.world
        for process in self.loading():
            world.dispatch(ModelLoaded(*process, world.processes[process]), 1.0)
        for process in sorted(world.stopping):
            world.remove_process(process)
            world.dispatch(WorkerExited(*process))
        for request in sorted(world.running):
            if request in world.running:
                model, incarnation = world.finish_request(request)
                world.dispatch(RequestFinished(request, model, incarnation))
        world.dispatch(Tick(), 1.0)


RandomEvents.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
test_random_events_keep_every_invariant_and_every_request_is_answered = RandomEvents.TestCase
