"""SmolLM2 writes the tokens that transformers writes from the same folder in float32, alone and with others."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from model_runtime.requests import Tool
from tests.real_models.references import read_reference
from tests.real_models.results import Results
from tests.real_models.selection import ANSWER_TOKENS, PROMPTS, QUICK_PROMPTS

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
MODEL = "smollm2-135m"
REFERENCE = "transformers, float32"
END_TOKEN = 2
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "likes": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["name", "age", "likes"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def prompts(is_complete: bool) -> Sequence[str]:
    """Five prompts, or twenty."""
    return PROMPTS if is_complete else QUICK_PROMPTS


@pytest.fixture(scope="module")
def answers() -> Mapping[str, Mapping[str, Any]]:
    """What transformers answers."""
    return dict(read_reference(MODEL)["answers"])


@pytest.fixture(scope="module")
def alone(http: httpx2.Client, prompts: Sequence[str], results: Results) -> dict[str, dict[str, Any]]:
    """What Senses answers to one prompt after the other."""
    ask(http, "Hi.", max_tokens=1)  # loads the model
    started = time.monotonic()
    found = {prompt: ask(http, prompt) for prompt in prompts}
    tokens = sum(answer["usage"]["completion_tokens"] for answer in found.values())
    pace = tokens / (time.monotonic() - started)
    results.add(MODEL, f"{len(prompts)} prompts one after the other", "", f"{pace:.0f} tokens/s", "–")
    return found


def ask(http: httpx2.Client, prompt: str, **fields: Any) -> dict[str, Any]:
    """Return the answer to one prompt, greedily."""
    return chat(http, [{"role": "user", "content": prompt}], **fields)


def chat(http: httpx2.Client, messages: Sequence[Mapping[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return the answer to a chat, greedily."""
    body = {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": ANSWER_TOKENS, **fields}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def text_of(answer: Mapping[str, Any]) -> str:
    """Return the text of an answer."""
    return str(answer["choices"][0]["message"]["content"])


@pytest.mark.promise("real:tokens-as-reference")
def test_greedy_answers_have_the_tokens_of_the_reference(
    alone: Mapping[str, Mapping[str, Any]], answers: Mapping[str, Mapping[str, Any]], results: Results
) -> None:
    others = {}
    for prompt, answer in alone.items():
        theirs = answers[prompt]
        written = [token for token in theirs["tokens"] if token != END_TOKEN]
        expected = (theirs["text"], theirs["prompt_tokens"], len(written))
        usage = answer["usage"]
        ours = (text_of(answer), usage["prompt_tokens"], min(usage["completion_tokens"], len(written)))
        if ours != expected:
            others[prompt] = (ours, expected)

    same = f"{len(alone) - len(others)} of {len(alone)}"
    run = f"{len(alone)} prompts × {ANSWER_TOKENS} tokens: same text and number of tokens"
    results.add(MODEL, run, REFERENCE, same, "all")
    assert not others


@pytest.mark.promise("real:together-as-alone")
def test_eight_chats_at_once_answer_as_each_alone(
    http: httpx2.Client, alone: Mapping[str, Mapping[str, Any]], results: Results
) -> None:
    prompts = [list(alone)[index % len(alone)] for index in range(8)]
    started = time.monotonic()

    with ThreadPoolExecutor(len(prompts)) as pool:
        together = list(pool.map(lambda prompt: ask(http, prompt), prompts))

    pace = sum(answer["usage"]["completion_tokens"] for answer in together) / (time.monotonic() - started)
    results.add(MODEL, "eight chats at once", "", f"{pace:.0f} tokens/s", "–")
    assert [text_of(answer) for answer in together] == [text_of(alone[prompt]) for prompt in prompts]


def test_an_answer_ends_before_its_stop_sequence(http: httpx2.Client, alone: Mapping[str, Mapping[str, Any]]) -> None:
    prompt = QUICK_PROMPTS[2]
    whole = text_of(alone[prompt])
    assert "." in whole

    stopped = ask(http, prompt, stop=["."])

    assert text_of(stopped) == whole.partition(".")[0]
    assert stopped["choices"][0]["finish_reason"] == "stop"


@pytest.mark.promise("real:schema")
def test_an_answer_keeps_to_a_json_schema(http: httpx2.Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}

    answer = ask(http, "Anna is 31 years old and likes tea. Write Anna as JSON.", response_format=form, max_tokens=120)

    person = json.loads(text_of(answer))
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert list(person) == ["name", "age", "likes"]
    assert isinstance(person["age"], int)


def test_tools_change_nothing_for_a_model_whose_template_has_none(
    http: httpx2.Client, alone: Mapping[str, Mapping[str, Any]], results: Results
) -> None:
    """SmolLM2's template knows no tools: what is offered has no effect, and what must be called is refused."""
    prompt = QUICK_PROMPTS[0]
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "tools": [WEATHER]}

    offered = ask(http, prompt, tools=[WEATHER])
    required = http.post("/v1/chat/completions", json={**body, "tool_choice": "required"})

    results.add(MODEL, "a tool offered; a call required", "", "told to have no effect; refused", "–")
    assert text_of(offered) == text_of(alone[prompt])
    assert f"{MODEL} cannot call tools" in offered["senses"]["warnings"][0]
    assert required.status_code == 400
    assert required.json()["error"]["param"] == "tool_choice"


def test_a_call_in_the_history_is_read_as_text(http: httpx2.Client) -> None:
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    history: list[dict[str, Any]] = [
        {"role": "user", "content": "Which weather has Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "1", "content": "It snows in Paris."},
    ]

    answer = chat(http, history)

    assert "snow" in text_of(answer).lower()


@pytest.mark.engines
def test_with_a_template_for_tools_it_makes_the_call_that_it_must(models_folder: Path, tmp_path: Path) -> None:
    """The template is ours, of Qwen's form: SmolLM2 was not trained on it. The weights and 49 152 words are real."""
    from model_runtime.engines.text.model import TextEngine
    from tests.checkpoints import tool_templates
    from tests.model_runtime.engines import step_engine_driver

    folder = tool_templates.with_qwen_template(models_folder / MODEL, tmp_path / MODEL)
    function = WEATHER["function"]
    tool = Tool(str(function["name"]), str(function["description"]), json.dumps(function["parameters"]))
    asked = step_engine_driver.chat("Which weather has Paris?", tools=(tool,), tool_choice="required", max_tokens=64)

    answer = step_engine_driver.run_chat(
        step_engine_driver.load(TextEngine(), {"model": folder}), replace(asked, parallel_tool_calls=False)
    )

    (call,) = answer.tool_calls
    assert (call.name, json.loads(call.arguments), answer.finish_reason) == ("weather", {"city": "Paris"}, "tool_calls")


@pytest.mark.promise("real:prefix-reuse")
def test_a_chat_that_goes_on_is_answered_as_one_that_is_read_anew(http: httpx2.Client) -> None:
    first = [{"role": "user", "content": "My name is Anna and I live in Rome. " * 20 + "Say hello to me."}]
    said = text_of(chat(http, first))
    second = [*first, {"role": "assistant", "content": said}, {"role": "user", "content": "Where do I live?"}]

    reused = chat(http, second)
    http.post(f"/api/models/{MODEL}/stop", headers={"origin": str(http.base_url)}).raise_for_status()
    anew = chat(http, second)

    assert reused["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert anew["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert text_of(reused) == text_of(anew)
