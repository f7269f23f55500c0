from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.trace import simulation, usage_log
from model_runtime.trace.simulation import Machine, optimum
from model_runtime.trace.usage_log import Asked, Trace, TraceLog, parse, read

SIZES = {"a": 6, "b": 5, "c": 4, "d": 2}
SECONDS = {"a": 10.0, "b": 1.0, "c": 3.0, "d": 2.0}


def trace(text: str, gap_seconds: float = 10.0) -> Trace:
    """A trace that asks for one model after the other."""
    asked = tuple(Asked(number * gap_seconds, model) for number, model in enumerate(text))
    return Trace(asked, dict(SECONDS), dict(SIZES))


def test_with_room_for_all_every_model_is_loaded_once() -> None:
    assert optimum(trace("abcabc"), Machine(15)) == 14.0
    assert simulation.replay(trace("abcabc"), "lru", Machine(15)) == 14.0


def test_the_optimum_keeps_what_is_dear_to_load_again() -> None:
    """Room for a and one of b and c: whoever evicts a between its uses pays ten seconds more."""
    asked = trace("abacabac")

    assert optimum(asked, Machine(11)) == 10 + 1 + 3 + 1 + 3
    assert simulation.replay(asked, "lru", Machine(11)) == 18.0


def test_a_model_that_was_not_asked_for_long_is_loaded_again_whoever_decides() -> None:
    asked = trace("aa", gap_seconds=400.0)

    assert optimum(asked, Machine(10)) == 20.0
    assert simulation.replay(asked, "cost", Machine(10)) == 20.0
    assert optimum(asked, Machine(10, keep_alive_seconds=-1)) == 10.0


def test_a_model_that_never_fits_is_no_ones_fault() -> None:
    assert optimum(trace("aba"), Machine(5)) == 1.0


@pytest.mark.promise("trace:optimum")
@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(1, 400)), min_size=1, max_size=30),
    st.integers(6, 17),
    st.sampled_from([-1.0, 60.0, 300.0]),
)
def test_no_policy_does_better_than_the_optimum(asked: list[tuple[str, float]], budget: int, ttl: float) -> None:
    now, requests = 0.0, []
    for model, gap in asked:
        now += gap
        requests.append(Asked(now, model))
    played, machine = Trace(tuple(requests), SECONDS, SIZES), Machine(budget, ttl)

    best = optimum(played, machine)

    assert best <= min(simulation.replay(played, policy, machine) for policy in ("lru", "cost")) + 1e-9
    assert best >= sum(SECONDS[model] for model in {model for model, _ in asked}) - 1e-9


def test_what_was_asked_and_loaded_is_read_back_in_order(tmp_path: Path) -> None:
    times = iter([1.0, 2.0, 3.0, 4.0])
    noted = TraceLog(tmp_path, lambda: next(times))
    noted.asked("eyes")
    noted.loaded("eyes", 2.5, 700)
    noted.asked("unknown")
    noted.asked("eyes")
    noted.save()

    found = read(tmp_path)

    assert found == Trace((Asked(1.0, "eyes"), Asked(4.0, "eyes")), {"eyes": 2.5}, {"eyes": 700})


def test_a_full_log_keeps_its_last_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_log, "LARGEST_BYTES", 300)
    noted = TraceLog(tmp_path, lambda: 5.0)
    for _ in range(40):
        noted.loaded("eyes", 1.0, 1)
        noted.asked("eyes")
        noted.save()

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]

    assert len(sizes) <= 2
    assert max(sizes) < 500
    assert read(tmp_path).asked


def test_lines_that_are_cut_off_or_foreign_are_passed_over() -> None:
    assert (
        parse(['{"t": 1, "e": "ask', "[]", "3", '{"e": "asked"}', '{"t": "x", "e": "asked", "m": "eyes"}']).asked == ()
    )


def test_a_log_cut_off_at_any_byte_keeps_the_lines_before_and_takes_new_ones(tmp_path: Path) -> None:
    noted = TraceLog(tmp_path, lambda: 5.0)
    noted.loaded("ears", 1.0, 1)
    noted.asked("ears")
    noted.save()
    whole = (tmp_path / usage_log.NAME).read_bytes()

    for length in range(len(whole)):
        (tmp_path / usage_log.NAME).write_bytes(whole[:length])
        noted.loaded("eyes", 2.0, 1)
        noted.asked("eyes")
        noted.asked("eyes")
        noted.save()
        assert read(tmp_path).asked[-1].model == "eyes"
        assert usage_log.last_asked(tmp_path)[-1] == "eyes"
