"""What was read before is not read again, is never mixed up, and takes no more memory than it may."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.models.cache import KVCache, RotatingKVCache

from model_runtime.engines.protocol import StepEngine
from model_runtime.engines.text.batch import PREFILL_CHUNK_TOKENS
from model_runtime.engines.text.model import TextEngine
from model_runtime.engines.text.prefix_cache import MAX_ENTRIES, MIN_PREFIX_TOKENS, PrefixCache
from model_runtime.events import Progress
from model_runtime.requests import Chat, Message
from tests.checkpoints import gemma, llama
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load, result_of, run_chat, run_to_end

pytestmark = pytest.mark.engines

TOKEN_BYTES = 2 * 4
"""A key and a value of one float32 number."""
PLENTY_BYTES = 10**6
LONG = "Tell me how many red squares are in the picture, and where they are. " * 4


class PlainModel:
    """A model of one layer with a plain cache; mlx-lm asks a model for its layers."""

    layers = (None,)


class WindowModel(PlainModel):
    """A model that looks back a window."""

    def make_cache(self) -> list[Any]:
        """What mlx-lm asks for."""
        return [RotatingKVCache(16)]


def cache_of(tokens: list[int]) -> list[KVCache]:
    """A cache whose keys are the tokens."""
    cache = KVCache()
    keys = mx.array(tokens, mx.float32)[None, None, :, None]
    cache.update_and_fetch(keys, keys)
    return [cache]


def held(layers: list[KVCache]) -> list[int]:
    """The tokens a cache was made of."""
    return [int(key) for key in layers[0].keys_and_values()[0].reshape(-1).tolist()]


@given(
    chats=st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=30), max_size=8),
    wanted=st.lists(st.integers(0, 1), min_size=1, max_size=30),
)
def test_what_is_known_is_the_longest_beginning_that_any_chat_shares(chats: list[list[int]], wanted: list[int]) -> None:
    prefixes = PrefixCache(PlainModel(), PLENTY_BYTES)
    for tokens in chats:
        prefixes.store(tokens, cache_of(tokens))

    known, layers = prefixes.lookup(wanted)

    shared = max((n for kept in chats for n in range(len(wanted)) if kept[:n] == wanted[:n]), default=0)
    assert known == (shared if shared >= MIN_PREFIX_TOKENS else 0)
    assert not known or held(layers) == wanted[:known]


def test_an_answer_that_goes_on_from_what_is_known_leaves_it_as_it_was() -> None:
    prefixes = PrefixCache(PlainModel(), PLENTY_BYTES)
    prefixes.store(list(range(20)), cache_of(list(range(20))))
    _, layers = prefixes.lookup([*range(12), 99])

    layers[0].update_and_fetch(mx.full((1, 1, 3, 1), 77.0), mx.full((1, 1, 3, 1), 77.0))

    assert held(layers) == [*range(12), 77, 77, 77]
    assert held(prefixes.lookup([*range(20), 99])[1]) == list(range(20))


def test_the_least_recently_used_is_given_up_for_room() -> None:
    prefixes = PrefixCache(PlainModel(), 20 * TOKEN_BYTES)
    first, second, third = ([number] * 10 for number in (1, 2, 3))
    prefixes.store(first, cache_of(first))
    prefixes.store(second, cache_of(second))
    prefixes.lookup([*first, 0])

    prefixes.store(third, cache_of(third))

    assert [prefixes.lookup([*tokens, 0])[0] for tokens in (first, second, third)] == [10, 0, 10]
    assert prefixes.total_bytes == 20 * TOKEN_BYTES


def test_of_many_small_chats_the_last_are_kept() -> None:
    prefixes = PrefixCache(PlainModel(), PLENTY_BYTES)
    chats = [[number] * 10 for number in range(MAX_ENTRIES + 2)]
    for tokens in chats:
        prefixes.store(tokens, cache_of(tokens))

    assert [bool(prefixes.lookup([*tokens, 0])[0]) for tokens in chats] == [False] * 2 + [True] * MAX_ENTRIES


def test_a_chat_that_goes_on_takes_the_place_of_its_beginning() -> None:
    prefixes = PrefixCache(PlainModel(), PLENTY_BYTES)
    prefixes.store([5] * 10, cache_of([5] * 10))

    prefixes.store([5] * 20, cache_of([5] * 20))

    assert prefixes.total_bytes == 20 * TOKEN_BYTES


def test_what_alone_is_too_much_is_not_kept() -> None:
    prefixes = PrefixCache(PlainModel(), 10 * TOKEN_BYTES - 1)
    prefixes.store([5] * 10, cache_of([5] * 10))

    assert prefixes.lookup([5] * 11) == (0, [])


def test_a_cache_that_cannot_be_cut_is_not_kept() -> None:
    prefixes = PrefixCache(WindowModel(), PLENTY_BYTES)
    prefixes.store([5] * 10, cache_of([5] * 10))

    assert prefixes.total_bytes == 0


@pytest.fixture(scope="module")
def engine(checkpoint: Callable[[CheckpointBuilder], Path]) -> StepEngine:
    """A family with plain caches."""
    return load(TextEngine(), {"model": checkpoint(llama.build)})


@pytest.mark.promise("chat:reads-only-what-is-new")
def test_a_chat_that_goes_on_is_read_from_where_it_goes_on(checkpoint: Callable[[CheckpointBuilder], Path]) -> None:
    fresh, engine = (load(TextEngine(), {"model": checkpoint(llama.build)}) for _ in range(2))
    first = run_chat(engine, chat(LONG))
    more = "And green ones? " * 150
    messages = (Message("user", (LONG,)), Message("assistant", (first.text,)), Message("user", (more,)))
    second = Chat("a-model", messages, max_tokens=12)

    outcomes = run_to_end(engine, {0: second})[0]

    answered = result_of(outcomes)
    assert answered == run_chat(fresh, second)
    assert answered.cached_tokens >= first.prompt_tokens
    told = [(event.done, event.total) for event in outcomes if isinstance(event, Progress)]
    assert told[0] == (answered.cached_tokens, answered.prompt_tokens)
    assert told[1] == (answered.cached_tokens + PREFILL_CHUNK_TOKENS, answered.prompt_tokens)


def test_chats_that_begin_alike_are_read_together_from_where_they_differ(engine: StepEngine) -> None:
    chats = {job: chat(f"{LONG} Question {'x' * job}") for job in range(5)}
    alone = {job: run_chat(engine, asked) for job, asked in chats.items()}

    together = {job: result_of(outcomes) for job, outcomes in run_to_end(engine, chats).items()}

    assert together == alone
    assert all(answered.cached_tokens == answered.prompt_tokens - 1 for answered in together.values())


def test_a_model_with_a_window_reads_everything_anew(checkpoint: Callable[[CheckpointBuilder], Path]) -> None:
    engine = load(TextEngine(), {"model": checkpoint(gemma.build_gemma3_text)})
    first, second = (run_chat(engine, chat(LONG)) for _ in range(2))

    assert first == second
    assert second.cached_tokens == 0
