"""What is kept of responses is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from openai_compat.api.response_store import ResponseStore, StoredResponse


def stored(byte_count: int) -> StoredResponse:
    """Return a response that takes so many bytes."""
    return StoredResponse(b"x" * byte_count, b"")


def kept(store: ResponseStore, *ids: str) -> list[str]:
    """Return those of the ids that are kept, without using them."""
    return [response_id for response_id in ids if response_id in store]


def test_the_response_that_was_used_longest_ago_leaves_first() -> None:
    store = ResponseStore(max_responses=2)
    store.put("a", stored(1))
    store.put("b", stored(1))
    store.get("a")

    store.put("c", stored(1))

    assert kept(store, "a", "b", "c") == ["a", "c"]


def test_large_responses_leave_for_new_ones() -> None:
    store = ResponseStore(capacity_bytes=10)
    store.put("a", stored(4))
    store.put("b", stored(4))

    store.put("c", stored(6))

    assert kept(store, "a", "b", "c") == ["b", "c"]


def test_a_response_that_is_larger_than_the_store_takes_no_others_place() -> None:
    store = ResponseStore(capacity_bytes=10)
    store.put("a", stored(4))

    assert not store.put("b", stored(11))

    assert kept(store, "a", "b") == ["a"]


def test_a_response_takes_the_place_of_its_own_beginning() -> None:
    store = ResponseStore(capacity_bytes=10)
    store.put("a", stored(3))
    store.put("b", stored(3))

    store.put("b", stored(7))

    assert kept(store, "a", "b") == ["a", "b"]


def test_a_deleted_response_takes_no_room() -> None:
    store = ResponseStore(capacity_bytes=10)
    store.put("a", stored(10))

    assert (store.delete("a"), store.delete("a"), store.get("a")) == (True, False, None)
    store.put("b", stored(5))
    store.put("c", stored(5))

    assert kept(store, "a", "b", "c") == ["b", "c"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12), st.sampled_from(["put", "get", "delete"]))))
def test_whatever_happens_neither_limit_is_exceeded(steps: list[tuple[str, int, str]]) -> None:
    store = ResponseStore(max_responses=3, capacity_bytes=20)
    for response_id, byte_count, step in steps:
        match step:
            case "put":
                store.put(response_id, stored(byte_count))
            case "get":
                store.get(response_id)
            case _:
                store.delete(response_id)

        sizes = [found.byte_count for found in map(store.get, kept(store, *"abcdef")) if found]
        assert len(sizes) == len(store) <= 3
        assert sum(sizes) <= 20
