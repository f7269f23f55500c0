"""JSON by construction, whatever the model would rather say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.grammar import GrammarCompiler
from model_runtime.engines.protocol import StepEngine
from model_runtime.engines.text.model import TextEngine
from model_runtime.errors import InvalidInput
from tests.checkpoints import gemma, llama
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load, results_of, run_chat

pytestmark = pytest.mark.engines

END = 0
WORDS = train_tokenizer(600, ("<end>",))
GRAMMARS = GrammarCompiler(WORDS, [END])
SHAPE = {
    "type": "object",
    "properties": {
        "color": {"enum": ["red", "blue"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "round": {"type": "boolean"},
    },
    "required": ["color", "count", "round"],
    "additionalProperties": False,
}


def random_walk(schema: str, seed: int, limit: int = 200) -> str:
    """What a model of random logits says under the mask; those of a model are more than the tokenizer's words."""
    rng, mask, last = np.random.default_rng(seed), GRAMMARS.compile(schema), END
    said: list[int] = []
    for _ in range(limit):
        last = int(np.array(mask.apply(last, mx.array(rng.normal(size=(1, 640)))))[0].argmax())
        if last == END:
            return str(WORDS.decode(said))
        said.append(last)
    raise AssertionError(f"no end after {WORDS.decode(said)!r}")


@given(seed=st.integers(0, 2**32))
def test_any_logits_give_an_answer_of_the_schema(seed: int) -> None:
    answer = json.loads(random_walk(json.dumps(SHAPE), seed))

    assert answer["color"] in ("red", "blue")
    assert 0 <= answer["count"] <= 99
    assert isinstance(answer["round"], bool)


def test_an_empty_schema_is_any_object() -> None:
    mask = GRAMMARS.compile("{}")

    allowed = np.isfinite(np.array(mask.apply(END, mx.zeros((1, 640))))[0])

    assert {WORDS.decode([token])[0] for token in np.flatnonzero(allowed).tolist()} == {"{"}


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "#/nowhere"}, {"type": "string", "pattern": "("}])
def test_a_schema_that_cannot_be_used_is_refused_with_its_reason(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="The JSON schema cannot be used: .+ Change it") as refused:
        GRAMMARS.compile(json.dumps(schema))

    assert (refused.value.param, refused.value.code) == ("json_schema", "invalid_json_schema")


def test_a_token_outside_the_schema_is_kept_as_an_error_and_not_raised() -> None:
    mask = GRAMMARS.compile(json.dumps(SHAPE))
    mask.apply(END, mx.zeros((1, 640)))

    mask.apply(WORDS.encode("red").ids[0], mx.zeros((1, 640)))

    assert mask.error is not None
    assert "could not be kept to its JSON schema" in mask.error.message


@pytest.fixture(scope="module", params=[llama.build, gemma.build_gemma3_text], ids=["llama", "gemma3"])
def random_model(request: pytest.FixtureRequest, checkpoint: Callable[[CheckpointBuilder], Path]) -> StepEngine:
    """Models that have no idea of JSON."""
    return load(TextEngine(), {"model": checkpoint(request.param)})


@pytest.mark.promise("chat:json-schema")
def test_a_model_that_has_no_idea_answers_in_the_schema(random_model: StepEngine) -> None:
    answer = run_chat(random_model, chat("A shape, please.", max_tokens=80, json_schema=json.dumps(SHAPE)))

    assert set(json.loads(answer.text)) == {"color", "count", "round"}
    assert answer.finish_reason == "stop"


@pytest.mark.promise("chat:json-schema")
def test_a_schema_in_one_chat_leaves_the_others_alone(random_model: StepEngine) -> None:
    free = chat("Say it.", max_tokens=20)
    alone = run_chat(random_model, free)

    together = results_of(
        random_model,
        {
            0: free,
            1: chat("A shape.", max_tokens=80, json_schema=json.dumps(SHAPE)),
            2: chat("A shape.", max_tokens=80, json_schema=json.dumps(SHAPE), temperature=1.0, seed=1),
        },
    )

    assert together[0] == alone
    assert json.loads(together[1].text).keys() == json.loads(together[2].text).keys()
