"""Errors: which exception of the SDK each becomes, and what it tells."""

from typing import Any

import openai
import pytest

from tests.clients.given import BASE_URL, KEY, URL
from tests.clients.openai_python.sdk import client, user

HELLO = user("Hello")


def raised(call: Any, kind: type[openai.APIStatusError], **arguments: Any) -> openai.APIStatusError:
    """Return the exception of a call, which is of this very class."""
    with pytest.raises(kind) as caught:
        call(**arguments)
    assert type(caught.value) is kind
    return caught.value


def test_an_error_tells_message_type_param_code_and_request() -> None:
    error = raised(client.chat.completions.create, openai.BadRequestError, model="scripted", messages=[])

    assert error.status_code == 400
    assert "messages" in error.message
    assert (error.type, error.param) == ("invalid_request_error", "messages")
    assert error.code
    assert error.request_id == error.response.headers["x-request-id"]


def test_an_unknown_model_is_not_found() -> None:
    error = raised(client.chat.completions.create, openai.NotFoundError, model="vlm-worst", messages=HELLO)

    assert error.code == "model_not_found"
    assert raised(client.models.retrieve, openai.NotFoundError, model="vlm-worst").code == "model_not_found"


def test_a_model_of_another_task_is_refused_with_its_endpoint() -> None:
    error = raised(client.chat.completions.create, openai.BadRequestError, model="whisper-1", messages=HELLO)

    assert "/v1/audio/transcriptions" in error.message


def test_an_endpoint_that_is_not_served_is_not_found_and_the_error_names_those_that_are() -> None:
    error = raised(client.moderations.create, openai.NotFoundError, input="Hello")

    assert error.code == "unknown_url"
    assert "/v1/chat/completions" in error.message


def test_a_method_that_is_not_served_is_told() -> None:
    error = raised(client.get, openai.APIStatusError, path="/chat/completions", cast_to=object)

    assert (error.status_code, error.code) == (405, "method_not_allowed")


def test_a_base_url_without_v1_is_explained() -> None:
    misplaced: Any = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)

    error = raised(misplaced.chat.completions.create, openai.NotFoundError, model="scripted", messages=HELLO)

    assert "/v1" in error.message


def test_a_wrong_key_is_told() -> None:
    stranger: Any = openai.OpenAI(base_url=BASE_URL, api_key="wrong", max_retries=2)

    error = raised(stranger.models.list, openai.AuthenticationError)

    assert (error.code, error.response.headers["www-authenticate"]) == ("invalid_api_key", "Bearer")


def test_a_foreign_page_may_not_call() -> None:
    page: Any = openai.OpenAI(base_url=BASE_URL, api_key=KEY, default_headers={"origin": "https://evil.example"})

    assert "evil.example" in raised(page.models.list, openai.PermissionDeniedError).message


def test_nothing_that_is_not_supported_is_tried_again() -> None:
    patient: Any = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=2)
    for call, arguments in (
        (patient.chat.completions.create, {"messages": HELLO, "n": 99}),
        (patient.images.generate, {"prompt": "x", "background": "transparent"}),
        (patient.audio.speech.create, {"voice": "nobody", "input": "x"}),
        (patient.moderations.create, {"input": "x"}),
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            call(model="tts-1" if "voice" in arguments else "", **arguments)
        assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"


def test_a_prompt_that_does_not_fit_is_refused_in_openais_words() -> None:
    error = raised(
        client.chat.completions.create,
        openai.BadRequestError,
        model="scripted",
        messages=user("word " * 20_000),
    )

    assert error.code == "context_length_exceeded"
    assert "maximum context length is" in error.message
