"""Bugs put into the scheduler on purpose: the tests must notice every one.

Each mutation replaces one snippet of the source; the modules are rebuilt with it, and the scenarios, the invariants and
the smallest explored world run against them. Bugs without an effect on behaviour, such as another order of equal
candidates, are left out.
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
from tests.model_runtime.scheduler import test_core, test_exploration, test_policy, test_queues
from tests.model_runtime.scheduler.world import SimulatedWorld

pytestmark = pytest.mark.slow

PACKAGE = "model_runtime.scheduler"
BUILT_IN_ORDER = ("model_record", "estimates", "eviction", "backoff", "lanes", "fairness", "state", "core")

MUTATIONS = {
    "grants while draining": ("model_record", "return self.state is ModelState.READY and len", "return self.state in CHARGED_STATES and len"),
    "ignores concurrency": ("model_record", "len(self.active) < self.spec.concurrency", "True"),
    "does not charge working memory": ("model_record", "charged_bytes += request.working_bytes", "pass"),
    "frees memory before the process is reaped": ("model_record", "CHARGED_STATES = (ModelState.STARTING, ModelState.READY, ModelState.DRAINING, ModelState.STOPPING)", "CHARGED_STATES = (ModelState.STARTING, ModelState.READY, ModelState.DRAINING)"),
    "evicts busy models": ("state", "if record.is_idle and not is_needed:", "if not is_needed:"),
    "evicts pinned models": ("state", "is_needed = record.pinned or record.queue", "is_needed = record.queue"),
    "evicts a model with queued requests": ("state", "record.pinned or record.queue or record is waiter", "record.pinned or record is waiter"),
    "evicts a new model": ("state", "or self._is_newly_loaded(record)", ""),
    "never drains": ("core", "if victims is None and self.is_starving(record):", "if False:"),
    "accepts events of old processes": ("core", "record is not None and record.incarnation == incarnation", "record is not None"),
    "starts a second process": ("state", "if record.state is ModelState.ABSENT:\n            return True", "if record.state in (ModelState.ABSENT, ModelState.STARTING):\n            return True"),
    "unloads a busy model when idle time is over": ("state", "if not record.is_idle or record.queue or record.pinned", "if record.queue or record.pinned"),
    "unloads idle pinned models": ("state", "record.queue or record.pinned or record.keep_alive_seconds < 0", "record.queue or record.keep_alive_seconds < 0"),
    "does not answer interrupted requests": ("core", 'self._reject(request, "out_of_memory" if exited.out_of_memory else "worker_died", exited.cause)', "del self.requests[request.id]"),
    "answers cancelled requests": ("core", "if not request.cancelled:\n            self._actions", "if True:\n            self._actions"),
    "retries without limit": ("core", "return is_recent and not request.attempts and not request.cancelled", "return is_recent and not request.cancelled"),
    "retries cancelled requests": ("core", "and not request.attempts and not request.cancelled and", "and not request.attempts and"),
    "loads without a queued request": ("core", "heads = [record for record in self.records.values() if record.queue and self.needs_memory(record)]", "heads = [record for record in self.records.values() if self.needs_memory(record) and record.state is ModelState.ABSENT or record.queue and self.needs_memory(record)]"),
    "keeps idle models after an under-estimate": ("core", "record.ready_at, record.has_served = self.now, False\n        self._reclaim_over_budget()", "record.ready_at, record.has_served = self.now, False"),
    "lets the queue grow": ("core", "if len(record.queue) >= self.limits.queue_per_model or", "if"),
    "lets the bytes in the queue grow": ("core", "if queued and self.queued_bytes + request.request_bytes > self.limits.queue_bytes:", "if False:"),
    "lets no large request wait": ("core", "if queued and self.queued_bytes", "if self.queued_bytes"),
    "counts the queue of one model only": ("core", "or queued >= self.limits.queue_total", ""),
    "estimates without the progress of running requests": ("estimates", "if request.done_share > 0:", "if False:"),
    "estimates without the running requests": ("estimates", "slots = [remaining_seconds(request, record, now) for request in running]", "slots = [0.0 for request in running]"),
    "estimates without the requests that wait": ("estimates", "heapreplace(slots, end)", "pass"),
    "estimates without the load": ("estimates", "starts.append(loading_seconds + start)", "starts.append(start)"),
    "takes long work for short work in estimates": ("estimates", "return record.batch_service_seconds if request.is_batch else record.service_seconds", "return record.service_seconds"),
    "keeps the progress of a dead worker": ("core", "request.granted_at, request.done_share = None, 0.0", "request.granted_at = None"),
    "times out a queue that moves": ("core", "request.expires_at = max(request.expires_at, self.now + seconds + request.timeout_seconds)", "pass"),
    "times out within the estimate": ("core", "request.expires_at = self.now + wait_seconds + request.timeout_seconds", "request.expires_at = self.now + request.timeout_seconds"),
    "lets long work take every slot": ("model_record", "max(1, self.spec.concurrency // 2)", "self.spec.concurrency"),
    "lets long work without a slot keep short work waiting": ("core", "ageing_seconds = self.limits.ageing_seconds if record.has_batch_room else inf", "ageing_seconds = self.limits.ageing_seconds"),
    "sorts a queue only once an event": ("core", "self._grant(record)\n                record.queue = self._in_fair_order(record, record.queue)", "self._grant(record)"),
    "never times out in the queue": ("core", "if self.now >= queued.expires_at", "if False"),
    "never times out a load": ("core", "if record.state is ModelState.STARTING and self.now >= record.load_deadline:", "if False:"),
    "accepts requests while closing": ("core", 'if self.closing:\n            return RejectRequest(id_, "shutting_down"', 'if False:\n            return RejectRequest(id_, "shutting_down"'),
    "never doubles the pause": ("backoff", "first * 2 ** (failures - 1)", "first"),
    "never opens the breaker": ("backoff", "if failures < limits.breaker_failures:\n        return Backoff(min", "if True:\n        return Backoff(min"),
    "closes the breaker on a load": ("core", "record.resident_bytes = loaded.measured_bytes\n        record.state", "record.resident_bytes, record.failures = loaded.measured_bytes, 0\n        record.state"),
    "serves one client first": ("fairness", "turns = [(rounds.get(client, 0), first[0].arrival_number, client)", "turns = [(0, first[0].arrival_number, client)"),
    "serves batch requests like interactive ones": ("fairness", "return request.is_batch and now - request.arrived_at < ageing_seconds", "return False"),
    "lets batch requests starve": ("fairness", "return request.is_batch and now - request.arrived_at < ageing_seconds", "return request.is_batch"),
    "serves the last one first": ("fairness", "sorted(queue, key=lambda request: request.arrival_number)", "sorted(queue, key=lambda request: -request.arrival_number)"),
    "runs every heavy model at once": ("lanes", "if any(rival.active for rival in rivals):\n        return False", ""),
    "lets one model keep the GPU": ("lanes", "return not record.active or all(overdue_order.get(rival.name, head) >= head for rival in rivals)", "return True"),
    "keeps the estimate after a kill for memory": ("core", "if exited.oom_suspected:", "if False:"),
    "raises the estimate above the budget": ("core", ", self.budget_bytes - record.working_bytes)", ", 10**9)"),
    "unloads two models at once on a warning": ("core", "if yielding and not self.unloading():", "if yielding:"),
    "unloads a model on every warning": ("state", "or self.now - record.yielded_at < self.limits.warning_interval_seconds", ""),
    "unloads a model in use on a warning": ("state", "return self.now - (record.idle_since or 0.0) >= self.limits.warning_idle_seconds", "return True"),
    "unloads one model only in a critical shortage": ("core", "if is_critical:\n            self._unload_unused()\n            return", ""),
    "unloads busy models in a critical shortage": ("core", "for record in self.records.values():\n            if record.is_unused:", "for record in self.records.values():\n            if record.is_idle:"),
    "makes no room after the GPU ran out of memory": ("core", "if exited.out_of_memory:\n            self._unload_unused()", "if False:\n            pass"),
    "retries no old request after the GPU ran out of memory": ("core", "is_recent = exited.out_of_memory or", "is_recent ="),
    "lets deadlines pass while nothing could happen": ("core", "request.expires_at += seconds", "pass"),
    "lets the deadline of a load pass while nothing could happen": ("core", "record.load_deadline += seconds", "pass"),
    "ignores the growth of an idle model": ("core", "record.resident_bytes = max(measured.measured_bytes, 1)", "pass"),
    "never lowers an estimate": ("model_record", "lowered = self.needed_bytes - int(SMOOTHING_FACTOR * (self.needed_bytes - measured_bytes))", "lowered = self.needed_bytes"),
    "lowers an estimate at once": ("model_record", "self.needed_bytes = max(measured_bytes, lowered)", "self.needed_bytes = measured_bytes"),
    "raises an estimate step by step": ("model_record", "self.needed_bytes = max(measured_bytes, lowered)", "self.needed_bytes = lowered"),
    "drains pinned models": ("state", "record is not waiter and not record.pinned:\n                yield", "record is not waiter:\n                yield"),
}  # fmt: skip


@contextmanager
def mutated(part: str, old: str, new: str) -> Generator[type[core.Scheduler]]:
    """Rebuild the scheduler's modules with one replacement under their own names, and restore the originals."""
    names = [f"{PACKAGE}.{name}" for name in BUILT_IN_ORDER]
    originals = {name: sys.modules[name] for name in names}
    try:
        for name, short in zip(names, BUILT_IN_ORDER, strict=True):
            sys.modules[name] = rebuilt(originals[name], *((old, new) if short == part else ("", "")))
            setattr(sys.modules[PACKAGE], short, sys.modules[name])
        yield sys.modules[f"{PACKAGE}.core"].Scheduler
    finally:
        for name, short in zip(names, BUILT_IN_ORDER, strict=True):
            sys.modules[name] = originals[name]
            setattr(sys.modules[PACKAGE], short, originals[name])


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
    """Return what fails first with this scheduler, or "" if everything passes."""
    for module in (test_core, test_policy, test_queues, test_exploration):
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
        except Exception as error:  # noqa: BLE001 - any failure means that the bug was noticed
            return f"{scenario.__name__}: {error!r}"
    return explored(scheduler)


def scenarios() -> list[FunctionType]:
    """Return the tests without arguments."""
    found = [*vars(test_policy).values(), *vars(test_core).values(), *vars(test_queues).values()]
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


def test_the_unchanged_scheduler_passes_what_the_bugs_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with mutated("core", "", "") as scheduler:
        assert verdict(scheduler, monkeypatch) == ""
        monkeypatch.undo()
    assert importlib.import_module(f"{PACKAGE}.core").Scheduler is core.Scheduler
