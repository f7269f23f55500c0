"""The eviction policy, on any set of models."""

import hypothesis.strategies as st
from hypothesis import given

from model_runtime.scheduler.eviction import EvictionCandidate, least_recently_used

CANDIDATES = st.lists(
    st.builds(
        EvictionCandidate,
        name=st.uuids().map(str),
        charged_bytes=st.integers(1, 20),
        idle_seconds=st.floats(0, 1000),
    ),
    max_size=14,
    unique_by=lambda candidate: candidate.name,
)


@given(candidates=CANDIDATES, needed=st.integers(1, 120))
def test_the_policy_frees_enough_without_an_unnecessary_model_or_returns_none(
    candidates: list[EvictionCandidate], needed: int
) -> None:
    sizes = {candidate.name: candidate.charged_bytes for candidate in candidates}

    chosen = least_recently_used(candidates, needed)

    if chosen is None:
        assert sum(sizes.values()) < needed
        return
    freed = sum(sizes[name] for name in chosen)
    assert freed >= needed
    assert all(freed - sizes[name] < needed for name in chosen)


def test_the_longest_idle_model_goes_first() -> None:
    candidates = [
        EvictionCandidate("young", 5, 10.0),
        EvictionCandidate("old", 5, 100.0),
        EvictionCandidate("middle", 5, 50.0),
    ]

    assert least_recently_used(candidates, 8) == ["old", "middle"]


def test_an_old_small_model_stays_if_a_younger_one_alone_is_enough() -> None:
    candidates = [EvictionCandidate("old small", 1, 100.0), EvictionCandidate("large", 9, 10.0)]

    assert least_recently_used(candidates, 8) == ["large"]
