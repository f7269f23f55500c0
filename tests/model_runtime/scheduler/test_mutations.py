"""Bugs put into the scheduler on purpose: every one is caught by its tests, or they prove less than they seem to.

Each mutation replaces one piece of the source; the modules are built anew with it, and the scenarios, the invariants
and the smallest explored world run against that. Left out on purpose are bugs that no behaviour shows, such as another
order of equal candidates.
"""

import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from model_runtime.scheduler import core
from model_runtime.scheduler.messages import RequestArrived
from tests.model_runtime.scheduler import test_core, test_exploration, test_policy
from tests.model_runtime.scheduler.world import SimulatedWorld

pytestmark = pytest.mark.slow

PACKAGE = "model_runtime.scheduler"
BUILT_IN_ORDER = ("model_record", "eviction", "backoff", "lanes", "fairness", "state", "core")

MUTATIONS = {
    "grants while draining": ("model_record", "return self.state is ModelState.READY and len", "return self.state in CHARGED_STATES and len"),
    "ignores concurrency": ("model_record", "len(self.active) < self.spec.concurrency", "True"),
    "forgets working memory": ("model_record", "charged_bytes += request.working_bytes", "pass"),
    "gives memory back before the process is reaped": ("model_record", "CHARGED_STATES = (ModelState.STARTING, ModelState.READY, ModelState.DRAINING, ModelState.STOPPING)", "CHARGED_STATES = (ModelState.STARTING, ModelState.READY, ModelState.DRAINING)"),
    "evicts busy models": ("state", "if record.is_idle and not is_needed:", "if not is_needed:"),
    "evicts pinned models": ("state", "is_needed = record.pinned or record.queue", "is_needed = record.queue"),
    "evicts a model that others wait for": ("state", "record.pinned or record.queue or record is waiter", "record.pinned or record is waiter"),
    "evicts what was just loaded": ("state", "or self._is_newly_loaded(record)", ""),
    "never drains": ("core", "if victims is None and self.is_starving(record):", "if False:"),
    "believes old processes": ("core", "record is not None and record.incarnation == incarnation", "record is not None"),
    "starts a second process": ("state", "if record.state is ModelState.ABSENT:\n            return True", "if record.state in (ModelState.ABSENT, ModelState.STARTING):\n            return True"),
    "offloads what is in use": ("state", "if not record.is_idle or record.queue or record.pinned", "if record.queue or record.pinned"),
    "offloads pinned models": ("state", "record.queue or record.pinned or record.keep_alive_seconds < 0", "record.queue or record.keep_alive_seconds < 0"),
    "forgets to answer those that ran": ("core", 'self._reject(request, "worker_died", exited.cause)', "del self.requests[request.id]"),
    "answers those that left": ("core", "if not request.cancelled:\n            self._actions", "if True:\n            self._actions"),
    "tries again for ever": ("core", "return young and not request.attempts and not request.cancelled", "return young and not request.cancelled"),
    "tries again what was cancelled": ("core", "and not request.attempts and not request.cancelled and", "and not request.attempts and"),
    "loads for nobody": ("core", "heads = [record for record in self.records.values() if record.queue and self.needs_memory(record)]", "heads = [record for record in self.records.values() if self.needs_memory(record) and record.state is ModelState.ABSENT or record.queue and self.needs_memory(record)]"),
    "does not shed an under-estimate": ("core", "record.ready_at, record.has_served = self.now, False\n        self._reclaim_over_budget()", "record.ready_at, record.has_served = self.now, False"),
    "lets the queue grow": ("core", "if len(record.queue) >= self.limits.queue_per_model or", "if"),
    "waits in the queue for ever": ("core", "if self.now >= waiting.expires_at", "if False"),
    "loads for ever": ("core", "if record.state is ModelState.STARTING and self.now >= record.load_deadline:", "if False:"),
    "takes work while closing": ("core", 'if self.closing:\n            return RejectRequest(arrived.request_id, "shutting_down"', 'if False:\n            return RejectRequest(arrived.request_id, "shutting_down"'),
    "doubles no pause": ("backoff", "first * 2 ** (failures - 1)", "first"),
    "never opens the breaker": ("backoff", "if failures < limits.breaker_failures:\n        return Backoff(min", "if True:\n        return Backoff(min"),
    "closes the breaker on a load": ("core", "record.resident_bytes = loaded.measured_bytes\n        record.state", "record.resident_bytes, record.failures = loaded.measured_bytes, 0\n        record.state"),
    "serves one client first": ("fairness", "rounds.get(request.client, 0), request.arrival_number", "0, request.arrival_number"),
    "serves batch work like any other": ("fairness", "return request.is_batch and now - request.arrived_at < ageing_seconds", "return False"),
    "lets batch work starve": ("fairness", "return request.is_batch and now - request.arrived_at < ageing_seconds", "return request.is_batch"),
    "serves the last one first": ("fairness", "rounds.get(request.client, 0), request.arrival_number\n", "rounds.get(request.client, 0), -request.arrival_number\n"),
    "lets every heavy model run": ("lanes", "if any(rival.active for rival in rivals):\n        return False", ""),
    "lets one model keep the GPU": ("lanes", "return not record.active or all(overdue_order.get(rival.name, head) >= head for rival in rivals)", "return True"),
    "expects no more of what starved": ("core", "if exited.oom_suspected:", "if False:"),
    "lets kills make a model too large": ("core", ", self.budget_bytes - record.working_bytes)", ", 10**9)"),
    "presses two models out at once": ("core", "if idle and not self.unloading():", "if idle:"),
    "ignores what an idle model grew by": ("core", "record.resident_bytes = max(measured.measured_bytes, 1)", "pass"),
    "keeps an estimate that is too high": ("model_record", "lowered = self.needed_bytes - int(SMOOTHING_FACTOR * (self.needed_bytes - measured_bytes))", "lowered = self.needed_bytes"),
    "believes one low measurement": ("model_record", "self.needed_bytes = max(measured_bytes, lowered)", "self.needed_bytes = measured_bytes"),
    "keeps an estimate that is too low": ("model_record", "self.needed_bytes = max(measured_bytes, lowered)", "self.needed_bytes = lowered"),
    "drains pinned models": ("state", "record is not waiter and not record.pinned:\n                yield", "record is not waiter:\n                yield"),
}  # fmt: skip


@contextmanager
def mutated(part: str, old: str, new: str) -> Generator[type[core.Scheduler]]:
    """Build the scheduler's modules with one replacement, under their own names, and put the true ones back."""
    names = [f"{PACKAGE}.{name}" for name in BUILT_IN_ORDER]
    true = {name: sys.modules[name] for name in names}
    try:
        for name, short in zip(names, BUILT_IN_ORDER, strict=True):
            sys.modules[name] = rebuilt(true[name], *((old, new) if short == part else ("", "")))
            setattr(sys.modules[PACKAGE], short, sys.modules[name])
        yield sys.modules[f"{PACKAGE}.core"].Scheduler
    finally:
        for name, short in zip(names, BUILT_IN_ORDER, strict=True):
            sys.modules[name] = true[name]
            setattr(sys.modules[PACKAGE], short, true[name])


def rebuilt(module: ModuleType, old: str, new: str) -> ModuleType:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert not old or source.count(old) == 1, f"{old!r} is in {module.__name__} {source.count(old)} times"
    spec = spec_from_loader(module.__name__, loader=None)
    assert spec is not None
    twin = module_from_spec(spec)
    sys.modules[module.__name__] = twin
    exec(compile(source.replace(old, new) if old else source, str(module.__file__), "exec"), twin.__dict__)  # noqa: S102
    return twin


def verdict(scheduler: type[core.Scheduler], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what first fails with this scheduler, empty where nothing does."""
    for module in (test_core, test_policy, test_exploration):
        for name in (
            "Scheduler",
            "ModelSpec",
            "SchedulerLimits",
            "fair_order",
            "backoff_after",
            "count_failure",
            "QueuedRequest",
        ):
            if hasattr(module, name):
                home = next(one for one in BUILT_IN_ORDER if hasattr(sys.modules[f"{PACKAGE}.{one}"], name))
                monkeypatch.setattr(module, name, getattr(sys.modules[f"{PACKAGE}.{home}"], name))
    for scenario in scenarios():
        try:
            scenario()
        except Exception as error:  # noqa: BLE001 - whatever it is, it was noticed
            return f"{scenario.__name__}: {error!r}"
    return explored(scheduler)


def scenarios() -> list[FunctionType]:
    """The tests that take nothing."""
    found = [*vars(test_policy).values(), *vars(test_core).values()]
    tests = [one for one in found if isinstance(one, FunctionType) and one.__name__.startswith("test_")]
    return [one for one in tests if one.__code__.co_argcount == 0 and not hasattr(one, "hypothesis")]


def explored(scheduler: type[core.Scheduler]) -> str:
    records = sys.modules[f"{PACKAGE}.model_record"]
    limits = records.SchedulerLimits(**asdict(test_exploration.LIMITS))
    specs = [records.ModelSpec(name, size, 1.0, keep_alive_seconds=4.0) for name, size in (("A", 3), ("B", 2))]
    world = SimulatedWorld(scheduler(specs, 4, limits))
    try:
        reachable, served, backward = test_exploration.explore(
            world, (RequestArrived(1, "A"), RequestArrived(2, "B", working_bytes=1))
        )
        stuck = test_exploration.stuck_in(reachable, served, backward)
    except Exception as error:  # noqa: BLE001 - as above
        return f"explored: {error!r}"
    return f"{len(stuck)} states are stuck" if stuck else ""


@pytest.mark.promise("runtime:mutations")
@pytest.mark.parametrize("bug", MUTATIONS)
def test_a_bug_in_the_scheduler_is_noticed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mutated(*MUTATIONS[bug]) as scheduler:
        assert verdict(scheduler, monkeypatch)
        monkeypatch.undo()


def test_the_scheduler_as_it_is_passes_what_the_bugs_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with mutated("core", "", "") as scheduler:
        assert verdict(scheduler, monkeypatch) == ""
        monkeypatch.undo()
    assert importlib.import_module(f"{PACKAGE}.core").Scheduler is core.Scheduler
