"""JSON by construction, whatever the model would rather say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.catalog.tool_formats import JsonCall, ToolFormat
from model_runtime.engines.chat.answer_format import AnswerFormat
from model_runtime.engines.chat.answer_plan import plan_answer
from model_runtime.engines.chat.grammar import GrammarCompiler, GrammarMask
from model_runtime.engines.protocol import StepEngine
from model_runtime.engines.text.model import TextEngine
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Tool
from tests.checkpoints import gemma, llama, qwen25_vl
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.chat.json_schemas import JSON_SCHEMAS
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load, results_of, run_chat, solid_picture

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


def walk(schema: str, seed: int, limit: int = 200, *, bias: np.ndarray[Any, Any] | None = None) -> str:
    """Return what a model of random logits says under the mask, with `bias` (640,) on top.

    A model's logits are more than the tokenizer's words.
    """
    return walk_under(GRAMMARS.compile(schema, limit), seed, limit, np.zeros(640) if bias is None else bias)


def walk_under(mask: GrammarMask, seed: int, limit: int, bias: np.ndarray[Any, Any]) -> str:
    """Return what is said under a mask."""
    rng, last = np.random.default_rng(seed), END
    said: list[int] = []
    for _ in range(limit):
        last = int(np.array(mask.apply(last, mx.array(rng.normal(size=(1, 640)) + bias)))[0].argmax())
        if last == END:
            return str(WORDS.decode(said))
        said.append(last)
    raise AssertionError(f"no end after {WORDS.decode(said)!r}")


def endless() -> np.ndarray[Any, Any]:
    """Return a bias (640,) against everything that closes."""
    closes = [any(mark in WORDS.decode([token]) for mark in '"}],') for token in range(WORDS.get_vocab_size())]
    bias = np.zeros(640)
    bias[: len(closes)] = np.where(closes, -50.0, 0.0)
    bias[END] = -50.0
    return bias


@given(seed=st.integers(0, 2**32))
def test_any_logits_give_an_answer_of_the_schema(seed: int) -> None:
    answer = json.loads(walk(json.dumps(SHAPE), seed))

    assert answer["color"] in ("red", "blue")
    assert 0 <= answer["count"] <= 99
    assert isinstance(answer["round"], bool)


def test_an_empty_schema_is_any_object() -> None:
    mask = GRAMMARS.compile("{}", 9)

    allowed = np.isfinite(np.array(mask.apply(END, mx.zeros((1, 640))))[0])

    assert {WORDS.decode([token])[0] for token in np.flatnonzero(allowed).tolist()} == {"{"}


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "#/nowhere"}, {"type": "string", "pattern": "("}])
def test_a_schema_that_cannot_be_used_is_refused_with_its_reason(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="The JSON schema cannot be used: .+ Change it") as refused:
        GRAMMARS.compile(json.dumps(schema), 9)

    assert (refused.value.param, refused.value.code) == ("json_schema", "invalid_json_schema")


def test_a_token_outside_the_schema_is_kept_as_an_error_and_not_raised() -> None:
    mask = GRAMMARS.compile(json.dumps(SHAPE), 9)
    mask.apply(END, mx.zeros((1, 640)))

    mask.apply(WORDS.encode("red").ids[0], mx.zeros((1, 640)))

    assert mask.error is not None
    assert "could not be kept to its JSON schema" in mask.error.message


@pytest.mark.promise("chat:json-ends")
@pytest.mark.parametrize("kind", JSON_SCHEMAS)
def test_a_model_that_never_closes_anything_ends_with_json_of_any_schema(kind: str) -> None:
    schema = JSON_SCHEMAS[kind]

    answer = json.loads(walk(json.dumps(schema), 1, limit=300, bias=endless()))

    jsonschema.validate(answer, schema)


@settings(max_examples=40)
@given(kind=st.sampled_from(sorted(JSON_SCHEMAS)), seed=st.integers(0, 2**32), closes=st.booleans())
def test_any_answer_to_any_schema_ends_and_matches_it(kind: str, seed: int, *, closes: bool) -> None:
    schema = JSON_SCHEMAS[kind]

    answer = json.loads(walk(json.dumps(schema), seed, limit=160, bias=None if closes else endless()))

    jsonschema.validate(answer, schema)


@pytest.mark.promise("chat:json-ends")
def test_a_call_that_must_be_made_ends_in_time_too() -> None:
    form = ToolFormat("tags", (), "", ("<call>",), "</call>", JsonCall('{"name": "$name", "arguments": ', "}"))
    request = chat(
        "Go on.", max_tokens=150, tools=(Tool("look", "", json.dumps(JSON_SCHEMAS["text"])),), tool_choice="required"
    )
    mask = plan_answer(request, [], AnswerFormat(tools=form), WORDS, GRAMMARS).grammar_mask

    assert mask is not None
    calls = walk_under(mask, 1, 150, endless()).removeprefix("<call>").removesuffix("</call>").split("</call><call>")

    for call in calls:
        jsonschema.validate(json.loads(call)["arguments"], JSON_SCHEMAS["text"])


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


@pytest.mark.promise("chat:json-ends")
def test_a_random_model_ends_with_json_of_any_schema(random_model: StepEngine) -> None:
    answer_every_schema(random_model)


@pytest.mark.promise("chat:json-ends")
def test_a_random_vision_model_ends_with_json_of_any_schema(checkpoint: Callable[[CheckpointBuilder], Path]) -> None:
    answer_every_schema(
        load(VisionEngine(), {"model": checkpoint(qwen25_vl.build)}), solid_picture(60, 90, (220, 30, 30))
    )


def answer_every_schema(engine: StepEngine, *parts: ImageData) -> None:
    """Ask for JSON of every schema; `results_of` checks that the streamed pieces are the text."""
    chats = {
        kind: chat("Go on.", *parts, max_tokens=150, temperature=1.0, seed=1, json_schema=json.dumps(schema))
        for kind, schema in enumerate(JSON_SCHEMAS.values())
    }

    answers = results_of(engine, chats)

    assert {answer.finish_reason for answer in answers.values()} == {"stop"}
    for kind, schema in enumerate(JSON_SCHEMAS.values()):
        jsonschema.validate(json.loads(answers[kind].text), schema)


@pytest.mark.promise("chat:json-ends")
def test_a_limit_that_no_answer_fits_into_is_told_as_that(random_model: StepEngine) -> None:
    answer = run_chat(random_model, chat("Go on.", max_tokens=5, json_schema=json.dumps(SHAPE)))

    assert answer.finish_reason == "length"


@pytest.mark.promise("chat:json-ends")
def test_an_answer_that_was_ended_early_says_so_and_no_other(random_model: StepEngine) -> None:
    options = {"max_tokens": 60, "temperature": 1.0, "json_schema": json.dumps(JSON_SCHEMAS["list"])}
    bounded = chat("Go on.", max_tokens=200, json_schema=json.dumps(SHAPE))

    answers = results_of(random_model, {seed: chat("Go on.", seed=seed, **options) for seed in range(6)} | {9: bounded})

    warnings = {warning for seed in range(6) for warning in answers[seed].warnings}
    assert ["ended early" in warning for warning in warnings] == [True]
    assert answers[9].warnings == ()
