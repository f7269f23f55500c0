"""The study of eviction policies: the replay with the real scheduler, the optimum, and the policy that weighs costs."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from benchmarks.eviction_study.optimum import belady_optimum
from benchmarks.eviction_study.policies import POLICIES, ReloadCosts, cheapest_set
from benchmarks.eviction_study.replay import Machine, replay
from benchmarks.eviction_study.trace import Trace, read
from model_runtime.scheduler.eviction import EvictionCandidate
from model_runtime.supervisor import model_stats, usage_log
from model_runtime.supervisor.model_stats import ModelStats
from model_runtime.supervisor.usage_log import ModelRequest, UsageLog

SIZES = {"a": 6, "b": 5, "c": 4, "d": 2}
SECONDS = {"a": 10.0, "b": 1.0, "c": 3.0, "d": 2.0}


def trace(text: str, gap_seconds: float = 10.0) -> Trace:
    """A trace that asks for one model after the other."""
    requests = tuple(ModelRequest(number * gap_seconds, model) for number, model in enumerate(text))
    return Trace(requests, dict(SECONDS), dict(SIZES))


def test_with_room_for_all_every_model_is_loaded_once() -> None:
    assert belady_optimum(trace("abcabc"), Machine(15)) == 14.0
    assert replay(trace("abcabc"), "lru", Machine(15)) == 14.0


def test_the_optimum_keeps_what_is_dear_to_load_again() -> None:
    """Room for a and one of b and c: a policy that evicts a between its uses pays ten seconds more."""
    asked = trace("abacabac")

    assert belady_optimum(asked, Machine(11)) == 10 + 1 + 3 + 1 + 3
    assert replay(asked, "lru", Machine(11)) == 18.0


def test_a_model_that_was_not_asked_for_long_is_loaded_again_whatever_the_policy() -> None:
    asked = trace("aa", gap_seconds=400.0)

    assert belady_optimum(asked, Machine(10)) == 20.0
    assert replay(asked, "cost", Machine(10)) == 20.0
    assert belady_optimum(asked, Machine(10, keep_alive_seconds=-1)) == 10.0


def test_a_model_that_never_fits_costs_nothing() -> None:
    assert belady_optimum(trace("aba"), Machine(5)) == 1.0


@pytest.mark.promise("trace:optimum")
@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(1, 400)), min_size=1, max_size=30),
    st.integers(6, 17),
    st.sampled_from([-1.0, 60.0, 300.0]),
)
@example([("a", 1.0), ("a", 60.0), ("a", 60.0)], 6, 60.0)
def test_no_policy_does_better_than_the_optimum(asked: list[tuple[str, float]], budget: int, ttl: float) -> None:
    now, requests = 0.0, []
    for model, gap in asked:
        now += gap
        requests.append(ModelRequest(now, model))
    played, machine = Trace(tuple(requests), SECONDS, SIZES), Machine(budget, ttl)

    best = belady_optimum(played, machine)

    assert best <= min(replay(played, policy, machine) for policy in POLICIES) + 1e-9
    assert best >= sum(SECONDS[model] for model in {model for model, _ in asked}) - 1e-9


def test_a_model_whose_time_ends_with_the_next_request_is_loaded_for_it() -> None:
    asked = trace("aaa", gap_seconds=60.0)

    assert replay(asked, "lru", Machine(6, keep_alive_seconds=60.0)) == 30.0
    assert belady_optimum(asked, Machine(6, keep_alive_seconds=60.0)) == 30.0


def test_the_log_of_a_machine_is_read_with_what_was_measured_of_its_models(tmp_path: Path) -> None:
    times = iter([1.0, 2.0, 3.0])
    log = UsageLog(tmp_path, lambda: next(times))
    for model in ("eyes", "unknown", "eyes"):
        log.record(model)
    log.save()
    model_stats.write(tmp_path / model_stats.NAME, {"eyes 0123456789ab": ModelStats(700, 2.5, 1.0)})

    found = read(tmp_path)

    assert found == Trace((ModelRequest(1.0, "eyes"), ModelRequest(3.0, "eyes")), {"eyes": 2.5}, {"eyes": 700})


def test_both_halves_of_a_log_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_log, "LARGEST_BYTES", 10)
    log = UsageLog(tmp_path, lambda: 5.0)
    model_stats.write(
        tmp_path / model_stats.NAME, {"eyes 0": ModelStats(1, 1.0, 1.0), "ears 0": ModelStats(1, 1.0, 1.0)}
    )

    log.record("eyes")
    log.save()
    monkeypatch.undo()
    log.record("ears")
    log.save()

    assert [request.model for request in read(tmp_path).requests] == ["eyes", "ears"]


def test_what_is_asked_for_often_costs_more_and_less_with_every_silent_minute() -> None:
    costs = ReloadCosts({"eyes": 2.0, "ears": 2.0, "brush": 4.0})
    for second in range(28):
        costs.record_request("eyes", float(second))
    costs.record_request("ears", 30.0)
    eyes_at_once, ears_at_once = costs.cost("eyes"), costs.cost("ears")

    costs.record_request("ears", 600.0)

    assert eyes_at_once > 2 * ears_at_once
    assert costs.cost("eyes") < costs.cost("ears")
    assert costs.cost("brush") == 0.0


def test_the_cost_policy_keeps_the_model_that_is_asked_for_often() -> None:
    costs = {"eyes": 3.0, "ears": 1.0}
    candidates = [EvictionCandidate("eyes", 4, idle_seconds=3.0), EvictionCandidate("ears", 4, idle_seconds=1.0)]

    assert cheapest_set(costs.__getitem__, candidates, 4) == ["ears"]


@given(
    st.dictionaries(st.uuids().map(str), st.tuples(st.integers(1, 20), st.floats(0, 300)), max_size=14),
    st.integers(1, 120),
)
def test_the_cost_policy_frees_enough_or_says_that_nothing_would_and_evicts_nobody_for_nothing(
    models: dict[str, tuple[int, float]], needed: int
) -> None:
    candidates = [EvictionCandidate(name, size, idle_seconds=1.0) for name, (size, _) in models.items()]

    chosen = cheapest_set(lambda name: models[name][1], candidates, needed)

    if chosen is None:
        assert sum(size for size, _ in models.values()) < needed
        return
    freed = sum(models[name][0] for name in chosen)
    assert freed >= needed
    if len(models) <= 12:
        assert all(freed - models[name][0] < needed for name in chosen)
