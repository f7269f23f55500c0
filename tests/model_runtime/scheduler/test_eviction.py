"""The eviction policy, judged on any set of models."""

import hypothesis.strategies as st
from hypothesis import given

from model_runtime.scheduler.eviction import EvictionCandidate, least_recently_used

RESIDENTS = st.lists(
    st.builds(
        EvictionCandidate,
        name=st.uuids().map(str),
        charged_bytes=st.integers(1, 20),
        idle_seconds=st.floats(0, 1000),
    ),
    max_size=14,
    unique_by=lambda resident: resident.name,
)


@given(candidates=RESIDENTS, needed=st.integers(1, 120))
def test_the_policy_frees_enough_or_says_that_nothing_would_and_evicts_nobody_for_nothing(
    candidates: list[EvictionCandidate], needed: int
) -> None:
    sizes = {resident.name: resident.charged_bytes for resident in candidates}

    chosen = least_recently_used(candidates, needed)

    if chosen is None:
        assert sum(sizes.values()) < needed
        return
    freed = sum(sizes[name] for name in chosen)
    assert freed >= needed
    assert all(freed - sizes[name] < needed for name in chosen)


def test_the_longest_idle_model_goes_first() -> None:
    residents = [
        EvictionCandidate("young", 5, 10.0),
        EvictionCandidate("old", 5, 100.0),
        EvictionCandidate("middle", 5, 50.0),
    ]

    assert least_recently_used(residents, 8) == ["old", "middle"]


def test_an_old_small_model_is_spared_where_a_younger_one_alone_is_enough() -> None:
    residents = [EvictionCandidate("old small", 1, 100.0), EvictionCandidate("large", 9, 10.0)]

    assert least_recently_used(residents, 8) == ["large"]
