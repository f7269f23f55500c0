"""Models and chats: text, pictures, recordings, and how an answer is chosen."""

import base64
import math

import openai
import pytest

from tests.clients.given import RECORDING, SCRIPTED_ANSWER, data_url
from tests.clients.openai_python.sdk import client, image_part, text_part, user

DESCRIBE = "Describe this image."
GREETING = user("Hello")


def test_models_are_listed_and_retrieved() -> None:
    names = [model.id for model in client.models.list()]

    assert {"vlm-starter", "tts-starter", "scripted", "listener", "painter"} <= set(names)
    assert client.models.retrieve("scripted").id == "scripted"
    assert client.models.retrieve("whisper-1").id == "whisper-1"


def test_a_chat_is_answered() -> None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=GREETING)

    assert answer.model == "gpt-4o-mini"
    assert answer.choices[0].message.content == SCRIPTED_ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_chat_is_streamed() -> None:
    chunks = list(client.chat.completions.create(model="scripted", messages=GREETING, stream=True))

    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == SCRIPTED_ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1


def test_usage_is_streamed_only_when_it_is_asked_for() -> None:
    ask = {"model": "scripted", "messages": GREETING, "stream": True}
    without = list(client.chat.completions.create(**ask))
    chunks = list(client.chat.completions.create(**ask, stream_options={"include_usage": True}))

    assert all(chunk.usage is None and chunk.choices for chunk in without)
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0


def test_the_streaming_helper_of_the_sdk_ends_with_the_whole_answer() -> None:
    with client.chat.completions.stream(model="scripted", messages=GREETING) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == SCRIPTED_ANSWER


def test_every_role_and_form_of_a_message_is_taken() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [text_part("Hello"), text_part("again")]},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "content": "Hello", "name": "ada"},
    ]

    answer = client.chat.completions.create(model="scripted", messages=messages)

    assert answer.choices[0].message.content == SCRIPTED_ANSWER


def test_fields_that_change_nothing_here_are_taken() -> None:
    answer = client.chat.completions.create(
        model="scripted",
        messages=GREETING,
        user="ada",
        metadata={"run": "1"},
        store=False,
        service_tier="auto",
        safety_identifier="x",
        prompt_cache_key="x",
        parallel_tool_calls=True,
        extra_body={"unknown": {"nested": [1]}},
    )

    assert answer.choices[0].message.content == SCRIPTED_ANSWER


def test_a_picture_is_described_whole_and_streamed() -> None:
    ask = {"model": "gpt-4o", "messages": user(image_part(data_url("circle.png")), text_part(DESCRIBE))}

    plain = client.chat.completions.create(**ask, temperature=0).choices[0].message.content
    chunks = list(client.chat.completions.create(**ask, temperature=0, stream=True))

    assert "blue circle" in plain.lower()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == plain


def test_a_photo_is_turned_as_its_camera_says() -> None:
    described = [
        client.chat.completions.create(
            model="gpt-4o", temperature=0, messages=user(image_part(data_url(name)), text_part(DESCRIBE))
        )
        for name in ("upright.png", "sideways.jpeg")
    ]

    upright, sideways = (answer.choices[0].message.content for answer in described)
    assert upright == sideways


def test_several_pictures_reach_the_model() -> None:
    pictures = [image_part(data_url(name)) for name in ("circle.png", "red.png")]
    ask = {"model": "pictures", "max_tokens": 2}

    one = client.chat.completions.create(**ask, messages=user(*pictures[:1], text_part(DESCRIBE)))
    two = client.chat.completions.create(**ask, messages=user(*pictures, text_part(DESCRIBE)))

    assert two.usage.prompt_tokens > one.usage.prompt_tokens + 20


def test_a_recording_in_a_chat_is_written_down_for_the_model() -> None:
    sound = {"data": base64.b64encode(RECORDING.read_bytes()).decode(), "format": "wav"}

    answer = client.chat.completions.create(
        model="scripted", messages=user({"type": "input_audio", "input_audio": sound}, text_part("Answer."))
    )

    assert answer.choices[0].message.content == SCRIPTED_ANSWER
    assert "was transcribed by listener" in str(answer.model_extra["senses"]["warnings"])


def test_a_stop_text_never_leaks_although_it_spans_tokens() -> None:
    stop = SCRIPTED_ANSWER[9:26]
    ask = {"model": "scripted", "messages": GREETING, "stop": ["no such text", stop]}

    plain = client.chat.completions.create(**ask).choices[0]
    chunks = list(client.chat.completions.create(**ask, stream=True))

    assert (plain.message.content, plain.finish_reason) == (SCRIPTED_ANSWER[:9], "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SCRIPTED_ANSWER[:9]


def test_a_limit_ends_an_answer_with_length() -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = client.chat.completions.create(model="scripted", messages=GREETING, **{name: 3})

        assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 3)


def test_a_seed_repeats_an_answer_and_another_one_changes_it() -> None:
    said = [
        client.chat.completions.create(model="random", messages=GREETING, max_tokens=12, seed=seed)
        for seed in (1, 1, 2)
    ]

    first, again, other = (answer.choices[0].message.content for answer in said)
    assert first == again != other


def test_several_answers_differ_whole_and_streamed() -> None:
    ask = {"model": "random", "messages": GREETING, "max_tokens": 8, "n": 3}

    plain = client.chat.completions.create(**ask)
    chunks = list(client.chat.completions.create(**ask, stream=True))

    assert [choice.index for choice in plain.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in plain.choices}) == 3
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1, 2}


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_are_those_of_the_tokens(stream: bool) -> None:
    ask = {"model": "random", "messages": GREETING, "max_tokens": 6, "temperature": 0, "logprobs": True}
    answered = client.chat.completions.create(**ask, top_logprobs=3, stream=stream)

    choices = [chunk.choices[0] for chunk in answered] if stream else answered.choices
    tokens = [token for choice in choices if choice.logprobs for token in choice.logprobs.content or ()]
    assert len(tokens) == 6
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob, abs=1e-4)
        assert sum(math.exp(top.logprob) for top in token.top_logprobs) <= 1.001


def test_every_sampling_parameter_is_taken() -> None:
    answer = client.chat.completions.create(
        model="random",
        messages=GREETING,
        max_tokens=4,
        temperature=0.7,
        top_p=0.9,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logit_bias={"7": -100},
        extra_body={"top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1},
    )

    assert answer.usage.completion_tokens <= 4


def test_a_biased_token_is_forced() -> None:
    answer = client.chat.completions.create(
        model="random", messages=GREETING, max_tokens=3, logprobs=True, logit_bias={"65": 100}
    )

    assert len({token.token for token in answer.choices[0].logprobs.content}) == 1


def test_what_a_model_cannot_do_is_refused_by_name() -> None:
    for changes, told in (
        ({"n": 17}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"web_search_options": {}}, "web_search_options"),
    ):
        with pytest.raises(openai.BadRequestError) as refusal:
            client.chat.completions.create(model="scripted", messages=GREETING, **changes)
        assert told in refusal.value.message
