"""Every parameter of OpenAI's client: honoured, refused by name, ignored with a sentence, or without effect on answers.

The types of the client are asked for their parameters: a new one fails here until its row is written.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import completion_create_params, image_generate_params
from openai.types.audio import speech_create_params, transcription_create_params, translation_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import input_item_list_params, response_create_params, response_retrieve_params

from model_runtime.requests import Request
from tests.fakes import FakeService

Fate = Literal["honoured", "refused", "ignored", "without effect"]
FUNCTION = {"name": "look", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": FUNCTION}]
RESPONSE_TOOLS = [{"type": "function", **FUNCTION}]


@dataclass(frozen=True)
class Row:
    """What becomes of a parameter: of this value, beside `others`."""

    fate: Fate
    value: Any
    others: Mapping[str, Any] = field(default_factory=dict)


def honoured(value: Any, **others: Any) -> Row:
    """The request of the runtime or the answer differs."""
    return Row("honoured", value, others)


def refused(value: Any, **others: Any) -> Row:
    """The error names the parameter."""
    return Row("refused", value, others)


def ignored(value: Any, **others: Any) -> Row:
    """A warning names the parameter."""
    return Row("ignored", value, others)


def without_effect(value: Any, **others: Any) -> Row:
    """The answer is the same, as it shall be."""
    return Row("without effect", value, others)


@dataclass(frozen=True)
class Endpoint:
    """A method of the client, its shortest call, the type of its parameters, and what becomes of each."""

    method: Callable[[AsyncOpenAI], Callable[..., Awaitable[Any]]]
    shortest: Mapping[str, Any]
    params: Any
    rows: Mapping[str, Row]


CHAT = Endpoint(
    lambda sdk: sdk.chat.completions.with_raw_response.create,
    {"model": "vlm-starter", "messages": [{"role": "user", "content": "Hi"}]},
    chat_create_params.CompletionCreateParamsNonStreaming,
    {
        "audio": honoured({"voice": "otto", "format": "mp3"}, modalities=["text", "audio"]),
        "frequency_penalty": honoured(0.5),
        "function_call": refused({"name": "look"}),
        "functions": refused([FUNCTION]),
        "logit_bias": honoured({"5": 1}),
        "logprobs": honoured(value=True),
        "max_completion_tokens": honoured(5),
        "max_tokens": honoured(5),
        "messages": honoured([{"role": "user", "content": "Ho"}]),
        "metadata": without_effect({"a": "b"}),
        "modalities": honoured(["text", "audio"]),
        "model": honoured("fast"),
        "moderation": refused({"model": "omni-moderation-latest"}),
        "n": honoured(2),
        "parallel_tool_calls": honoured(False, tools=TOOLS),
        "prediction": without_effect({"type": "content", "content": "A"}),
        "presence_penalty": honoured(0.5),
        "prompt_cache_key": without_effect("a"),
        "prompt_cache_options": without_effect({"mode": "implicit"}),
        "prompt_cache_retention": without_effect("24h"),
        "reasoning_effort": ignored("high"),
        "response_format": honoured({"type": "json_object"}),
        "safety_identifier": without_effect("me"),
        "seed": honoured(3),
        "service_tier": without_effect("flex"),
        "stop": honoured(["x"]),
        "store": without_effect(value=True),
        "stream": honoured(value=True),
        "stream_options": honoured({"include_usage": True}, stream=True),
        "temperature": honoured(0.5),
        "tool_choice": honoured("none", tools=TOOLS),
        "tools": honoured(TOOLS),
        "top_logprobs": honoured(2, logprobs=True),
        "top_p": honoured(0.5),
        "user": without_effect("me"),
        "verbosity": ignored("low"),
        "web_search_options": refused({}),
    },
)
RESPONSES = Endpoint(
    lambda sdk: sdk.responses.with_raw_response.create,
    {"model": "vlm-starter", "input": "Hi"},
    response_create_params.ResponseCreateParamsNonStreaming,
    {
        "access_programs": without_effect({"cyber": "standard"}),
        "background": refused(value=True),
        "background_options": without_effect({"completion_window": "soonest"}),
        "context_management": refused([{"type": "compaction"}]),
        "conversation": refused("conv_1"),
        "image": ignored({"context_compression": "enabled"}),
        "include": honoured(["message.output_text.logprobs"]),
        "input": honoured("Ho"),
        "instructions": honoured("Be short."),
        "max_output_tokens": honoured(5),
        "max_tool_calls": without_effect(3),
        "metadata": honoured({"a": "b"}),
        "model": honoured("fast"),
        "moderation": refused({"model": "omni-moderation-latest"}),
        "parallel_tool_calls": honoured(False, tools=RESPONSE_TOOLS),
        "previous_response_id": honoured("resp_1"),
        "prompt": refused({"id": "pmpt_1"}),
        "prompt_cache_key": without_effect("a"),
        "prompt_cache_options": without_effect({"mode": "implicit"}),
        "prompt_cache_retention": without_effect("24h"),
        "reasoning": ignored({"effort": "low"}),
        "safety_identifier": without_effect("me"),
        "service_tier": without_effect("flex"),
        "store": honoured(False),
        "stream": honoured(value=True),
        "stream_options": without_effect({"include_obfuscation": False}, stream=True),
        "temperature": honoured(0.5),
        "text": honoured({"format": {"type": "json_object"}}),
        "tool_choice": honoured("none", tools=RESPONSE_TOOLS),
        "tools": honoured(RESPONSE_TOOLS),
        "top_logprobs": honoured(2),
        "top_p": honoured(0.5),
        "truncation": ignored("auto"),
        "user": without_effect("me"),
    },
)
COMPLETIONS = Endpoint(
    lambda sdk: sdk.completions.with_raw_response.create,
    {"model": "vlm-starter", "prompt": "Hi"},
    completion_create_params.CompletionCreateParamsNonStreaming,
    {
        "best_of": refused(3),
        "echo": honoured(value=True),
        "frequency_penalty": honoured(0.5),
        "logit_bias": honoured({"5": 1}),
        "logprobs": honoured(1),
        "max_tokens": honoured(5),
        "model": honoured("fast"),
        "n": honoured(2),
        "presence_penalty": honoured(0.5),
        "prompt": honoured("Ho"),
        "seed": honoured(3),
        "stop": honoured(["x"]),
        "stream": honoured(value=True),
        "stream_options": honoured({"include_usage": True}, stream=True),
        "suffix": refused("end"),
        "temperature": honoured(0.5),
        "top_p": honoured(0.5),
        "user": without_effect("me"),
    },
)
IMAGES = Endpoint(
    lambda sdk: sdk.images.with_raw_response.generate,
    {"model": "image-starter", "prompt": "a red circle", "size": "64x64", "extra_body": {"seed": 1}},
    image_generate_params.ImageGenerateParamsNonStreaming,
    {
        "background": refused("transparent"),
        "complexity": ignored("high"),
        "frame_count": refused(2),
        "frame_duration_ms": refused(100),
        "model": honoured("vlm-starter"),
        "moderation": without_effect("low"),
        "n": honoured(2),
        "output_compression": honoured(5, output_format="jpeg"),
        "output_format": honoured("webp"),
        "partial_images": honoured(2, stream=True),
        "prompt": honoured("a blue circle"),
        "quality": ignored("high"),
        "response_format": honoured("url"),
        "safety_identifier": without_effect("me"),
        "size": honoured("32x32"),
        "stream": honoured(value=True),
        "style": ignored("vivid"),
        "svg": refused({"model": "a"}),
        "user": without_effect("me"),
    },
)
SPEECH = Endpoint(
    lambda sdk: sdk.audio.speech.with_raw_response.create,
    {"model": "tts-starter", "input": "Hi", "voice": "alma", "response_format": "pcm"},
    speech_create_params.SpeechCreateParams,
    {
        "input": honoured("Ho"),
        "instructions": honoured("Whisper."),
        "model": honoured("vlm-starter"),
        "response_format": honoured("wav"),
        "speed": honoured(2),
        "stream_format": honoured("sse"),
        "voice": honoured("otto"),
    },
)
TRANSCRIPTIONS = Endpoint(
    lambda sdk: sdk.audio.transcriptions.with_raw_response.create,
    {"model": "stt-starter"},
    transcription_create_params.TranscriptionCreateParamsNonStreaming,
    {
        "chunking_strategy": ignored({"type": "server_vad", "threshold": 0.5}),
        "file": honoured(b"no sound"),
        "include": ignored(["logprobs"]),
        "keywords": ignored(["circle"]),
        "known_speaker_names": ignored(["Ada"]),
        "known_speaker_references": ignored(["data:audio/wav;base64,AAAA"]),
        "language": honoured("de"),
        "languages": ignored(["de", "en"]),
        "model": honoured("vlm-starter"),
        "prompt": honoured("shapes"),
        "response_format": honoured("verbose_json"),
        "stream": honoured(value=True),
        "temperature": honoured(0.5),
        "timestamp_granularities": honoured(["word"], response_format="verbose_json"),
    },
)
TRANSLATIONS = Endpoint(
    lambda sdk: sdk.audio.translations.with_raw_response.create,
    {"model": "stt-starter"},
    translation_create_params.TranslationCreateParams,
    {
        "file": honoured(b"no sound"),
        "model": honoured("vlm-starter"),
        "prompt": honoured("shapes"),
        "response_format": honoured("verbose_json"),
        "temperature": honoured(0.5),
    },
)
ENDPOINTS = {
    "chat": CHAT,
    "responses": RESPONSES,
    "completions": COMPLETIONS,
    "images": IMAGES,
    "speech": SPEECH,
    "transcriptions": TRANSCRIPTIONS,
    "translations": TRANSLATIONS,
}
CASES = [(endpoint, name) for endpoint, described in ENDPOINTS.items() for name in described.rows]
CHANGING = re.compile(
    rb'((?:resp|msg|chatcmpl|cmpl|audio)[_-]|"(?:created|created_at|completed_at|expires_at)":\s*)\w+'
)
"""Ids and times."""


@dataclass(frozen=True)
class Answer:
    """What came of a call."""

    status: int
    requests: list[Request]
    content: bytes
    header: str

    @property
    def error(self) -> str:
        """The message of the error."""
        return str(json.loads(self.content)["error"]["message"])

    @property
    def warnings(self) -> list[str]:
        """What the answer tells, in its body or, where it has no JSON, in a header."""
        found: list[str] = json.loads(self.header) if self.header else json.loads(self.content)["senses"]["warnings"]
        return found


@pytest.fixture
def ask(sdk: AsyncOpenAI, service: FakeService, wav: bytes) -> Callable[..., Awaitable[Answer]]:
    """Call a method of the client."""

    async def call(endpoint: Endpoint, **arguments: Any) -> Answer:
        service.requests.clear()
        file = {"file": wav} if "file" in endpoint.rows else {}
        try:
            response = (await endpoint.method(sdk)(**{**file, **endpoint.shortest, **arguments})).http_response
        except openai.APIStatusError as error:
            response = error.response
        content = CHANGING.sub(rb"\g<1>0", await response.aread())
        return Answer(
            response.status_code, list(service.requests), content, response.headers.get("x-senses-warnings", "")
        )

    return call


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_parameter_of_the_client_has_a_row(name: str) -> None:
    endpoint = ENDPOINTS[name]

    assert set(endpoint.params.__annotations__) == set(endpoint.rows)


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of translations
@pytest.mark.parametrize(("endpoint", "name"), CASES)
async def test_no_parameter_is_ignored_silently(
    ask: Callable[..., Awaitable[Answer]], endpoint: str, name: str
) -> None:
    described = ENDPOINTS[endpoint]
    row = described.rows[name]

    usual = await ask(described, **row.others)
    changed = await ask(described, **{**row.others, name: row.value})

    match row.fate:
        case "honoured":
            assert changed != usual
        case "refused":
            assert (changed.status, changed.requests) == (400, [])
            assert name in changed.error
        case "ignored":
            assert changed.requests == usual.requests
            assert [f"{name} has no effect" in warning for warning in changed.warnings] == [True]
        case "without effect":
            assert changed == usual


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"text": {"verbosity": "low"}}, "text.verbosity has no effect"),
        ({"include": ["reasoning.encrypted_content"]}, "include reasoning.encrypted_content has no effect"),
    ],
)
async def test_no_option_in_a_parameter_is_ignored_silently(
    ask: Callable[..., Awaitable[Answer]], options: dict[str, Any], warning: str
) -> None:
    answer = await ask(RESPONSES, **options)

    assert [warning in told for told in answer.warnings] == [True]


async def test_a_prompt_that_shall_only_be_cached_is_refused(ask: Callable[..., Awaitable[Answer]]) -> None:
    answer = await ask(RESPONSES, prompt_cache_options={"prewarm": True})

    assert "prompt_cache_options.prewarm is not supported" in answer.error


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.parametrize(
    ("endpoint", "options"),
    [
        (CHAT, {"verbosity": "medium"}),
        (RESPONSES, {"text": {"verbosity": "medium"}, "truncation": "disabled"}),
        (IMAGES, {"quality": "auto"}),
        (TRANSCRIPTIONS, {"chunking_strategy": "auto"}),
    ],
    ids=["chat", "responses", "images", "transcriptions"],
)
async def test_a_value_that_asks_for_what_is_done_anyway_needs_no_warning(
    ask: Callable[..., Awaitable[Answer]], endpoint: Endpoint, options: dict[str, Any]
) -> None:
    answer = await ask(endpoint, **options)

    assert (answer.status, answer.warnings) == (200, [])


@pytest.mark.promise("openai:nothing-ignored-silently")
def test_the_parameters_of_kept_responses_are_these() -> None:
    """Whether they are honoured is tested with the endpoints; what `include` names is in every answer that has it."""
    listed = set(input_item_list_params.InputItemListParams.__annotations__)
    retrieved = set(response_retrieve_params.ResponseRetrieveParamsNonStreaming.__annotations__)

    assert listed == {"after", "include", "limit", "order"}
    assert retrieved == {"include", "include_obfuscation", "starting_after", "stream"}
