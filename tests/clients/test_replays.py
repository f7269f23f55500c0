"""What programs send that cannot be installed here, replayed as their source says, with what they need of the answers.

Open WebUI 0.12.4, Home Assistant's integrations local_openai and openai_tts, Continue, Cline, aider, opencode and Cursor.
"""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients.conftest import KEY
from tests.clients.replay import Program, text_of, tool
from tests.end_to_end.conftest import RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.promise("openai:replays"), pytest.mark.timeout(180)]

SPOKEN = "a red circle above a blue square"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
BEARER = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def data_url(path: Path, kind: str = "png") -> str:
    """Return a picture as an address."""
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


@pytest.fixture
def open_webui(daemon: RunningDaemon) -> Program:
    """Open WebUI, with the headers that name its user."""
    return Program(daemon, {**BEARER, "x-openwebui-user-name": "Ada", "x-openwebui-user-id": "1"})


@pytest.fixture
def home_assistant(daemon: RunningDaemon) -> Program:
    """Home Assistant's integration local_openai."""
    return Program(daemon, {**BEARER, "http-referer": "https://github.com", "x-title": "Home Assistant"})


@pytest.fixture
def program(daemon: RunningDaemon) -> Program:
    """A program without headers of its own."""
    return Program(daemon, BEARER)


def test_open_webui_lists_models_and_voices_also_without_a_key(open_webui: Program, daemon: RunningDaemon) -> None:
    listed = open_webui.get("/models")
    models, voices = (httpx2.get(f"{daemon.url}/v1/audio/{name}").json() for name in ("models", "voices"))

    assert all({"id", "object", "created", "owned_by"} <= model.keys() for model in listed["data"])
    assert {"id", "name"} <= models["models"][0].keys()
    assert {"id", "name"} <= voices["voices"][0].keys()


def test_open_webui_chats_with_a_picture_and_tools(open_webui: Program, media: Path) -> None:
    parts = [
        {"type": "text", "text": "Describe this image."},
        {"type": "image_url", "image_url": {"url": data_url(media / "circle.png")}},
    ]
    body = {
        "model": "vlm-starter",
        "messages": [{"role": "user", "content": parts}],
        "tools": [tool("get_current_time"), tool("calculate", expression={"type": "string"})],
        "temperature": 0,
        **USAGE,
    }

    chunks = open_webui.stream("/chat/completions", body)

    assert "blue circle" in text_of(chunks).lower()
    assert chunks[-1]["usage"]["total_tokens"] > 0


def test_open_webui_names_a_chat(open_webui: Program, answer: str) -> None:
    body = {"model": "scripted", "messages": HELLO, "stream": False, "max_completion_tokens": 1000, "metadata": {}}

    assert open_webui.post("/chat/completions", body)["choices"][0]["message"]["content"] == answer


def test_open_webui_reads_an_answer_aloud(open_webui: Program) -> None:
    """It writes down as MP3 what `audio/mpeg` says it is, and converts everything else."""
    answer = open_webui.send("/audio/speech", json={"input": "a red circle", "voice": "alloy", "model": "tts-1"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert len(answer.content) > 1000


def test_open_webui_sends_a_recording_in_chunks_without_a_length(open_webui: Program, media: Path) -> None:
    recording = (media / "recording.flac").read_bytes()

    def chunks() -> Any:
        for name, value in (("model", "whisper-1"), ("language", "en")):
            yield f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="clip.flac"\r\n\r\n'
        yield recording[: len(recording) // 2]
        yield recording[len(recording) // 2 :]
        yield b"\r\n--XX--\r\n"

    answer = open_webui.send(
        "/audio/transcriptions", content=chunks(), headers={"content-type": "multipart/form-data; boundary=XX"}
    )

    assert (answer.status_code, answer.json()["text"]) == (200, SPOKEN)


def test_open_webui_sends_a_recording_as_json(open_webui: Program, media: Path) -> None:
    sound = base64.b64encode((media / "recording.flac").read_bytes()).decode()
    body = {"model": "whisper-1", "input_audio": {"data": sound, "format": "flac"}}

    assert open_webui.post("/audio/transcriptions", body)["text"] == SPOKEN


def test_open_webui_shows_what_is_wrong_with_a_recording(open_webui: Program) -> None:
    answer = open_webui.send(
        "/audio/transcriptions", json={"model": "whisper-1", "input_audio": {"data": "AAAA", "format": "wav"}}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("version", ["", "?api-version=2025-04-01-preview"])
def test_open_webui_draws(open_webui: Program, version: str) -> None:
    body = {"model": "dall-e-3", "prompt": "a red circle", "n": 1, "size": "64x64", "response_format": "b64_json"}

    drawn = open_webui.post(f"/images/generations{version}", body)

    assert base64.b64decode(drawn["data"][0]["b64_json"]).startswith(b"\x89PNG")


def test_open_webui_fetches_a_picture_from_the_host_that_it_asked(open_webui: Program, daemon: RunningDaemon) -> None:
    body = {"model": "gpt-image-1", "prompt": "a red circle", "n": 1, "size": "64x64", "response_format": "url"}

    url = open_webui.post("/images/generations", body)["data"][0]["url"]

    assert url.startswith(f"{daemon.url}/")
    assert httpx2.get(url, headers=BEARER).headers["content-type"] == "image/png"


def test_home_assistant_talks_and_offers_what_it_can_do(home_assistant: Program, answer: str) -> None:
    body = {
        "model": "scripted",
        "temperature": 0.6,
        "parallel_tool_calls": False,
        "messages": [
            {"role": "system", "content": "You are a voice assistant for Home Assistant."},
            {"role": "user", "content": "Turn on the light in the kitchen"},
        ],
        "tools": [
            tool("HassTurnOn", name={"type": "string"}, area={"type": "string"}),
            tool("GetLiveContext"),
        ],
        "chat_template_kwargs": {"enable_thinking": False},
        "stream": True,
    }

    chunks = home_assistant.stream("/chat/completions", body)

    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert text_of(chunks) == answer
    assert all(chunk["choices"] for chunk in chunks)


def test_home_assistant_asks_for_data(home_assistant: Program) -> None:
    schema = {
        "type": "object",
        "properties": {"state": {"type": "string", "enum": ["on", "off"]}},
        "required": ["state"],
        "additionalProperties": False,
    }
    body = {
        "model": "random",
        "temperature": 0.6,
        "parallel_tool_calls": False,
        "messages": HELLO,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "light", "strict": True, "schema": schema},
        },
        "max_tokens": 60,
        "stream": True,
    }

    assert json.loads(text_of(home_assistant.stream("/chat/completions", body)))["state"] in ("on", "off")


@pytest.mark.parametrize(("kind", "media_type"), [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("opus", "audio/ogg")])
def test_home_assistant_speaks(home_assistant: Program, kind: str, media_type: str) -> None:
    body = {"model": "tts-1", "input": "a red circle", "voice": "shimmer", "response_format": kind, "speed": 1.0}

    answer = home_assistant.send("/audio/speech", json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


STARCODER_STOPS = [
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<file_sep>",
    "<|endoftext|>",
    "</fim_middle>",
    "</code>",
    "/src/",
    "#- coding: utf-8",
    "```",
]
"""What Continue ends a completion with for any model whose name it does not know."""


def test_continue_completes_code(program: Program) -> None:
    body = {
        "model": "scripted",
        "prompt": "<fim_prefix>def add(a, b):\n    return <fim_suffix>\n<fim_middle>",
        "max_tokens": 8,
        "temperature": 0.01,
        "stop": STARCODER_STOPS,
        "stream": True,
    }

    chunks = program.stream("/completions", body)

    assert all(isinstance(chunk["choices"][0]["text"], str) for chunk in chunks)


def test_continue_chats(program: Program, media: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": data_url(media / "circle.png"), "detail": "low"}}
    messages = [
        {"role": "system", "content": " "},
        {"role": "user", "content": [{"type": "text", "text": "Describe this image."}, picture]},
    ]
    body = {"model": "vlm-starter", "messages": messages, "max_tokens": 4096, "stop": ["</s>"], **USAGE}

    assert "circle" in text_of(program.stream("/chat/completions", body)).lower()


def test_continue_is_told_that_there_is_no_endpoint_for_gaps(program: Program) -> None:
    answer = program.send("/fim/completions", json={"model": "scripted", "prompt": "a", "suffix": "b", "stream": True})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_cline_works_on_a_task(program: Program, answer: str) -> None:
    """Its prompt is long, and it reads the usage of the last chunk."""
    tools = [
        tool("read_file", path={"type": "string"}),
        tool("attempt_completion", result={"type": "string"}),
    ]
    messages = [
        {"role": "system", "content": "You are Cline, a highly skilled software engineer. " * 20},
        {"role": "user", "content": [{"type": "text", "text": "<task>\nFix it\n</task>"}]},
        {"role": "assistant", "content": "I look."},
        {"role": "user", "content": [{"type": "text", "text": "[read_file] Result:"}, {"type": "text", "text": "a"}]},
    ]
    body = {"model": "scripted", "messages": messages, "temperature": 0, "tools": tools, **USAGE}

    chunks = program.stream("/chat/completions", body)

    assert text_of(chunks) == answer
    usage = chunks[-1]["usage"]
    assert usage["prompt_tokens"] > 100
    assert usage["prompt_tokens_details"]["cached_tokens"] >= 0


def test_cline_asks_a_model_that_reasons(program: Program, answer: str) -> None:
    messages = [{"role": "developer", "content": "You are Cline."}, *HELLO]
    body = {"model": "gpt-5.2", "messages": messages, "reasoning_effort": "medium", **USAGE}

    assert text_of(program.stream("/chat/completions", body)) == answer


@pytest.mark.parametrize("stream", [True, False])
def test_aider_edits(program: Program, stream: bool, answer: str) -> None:
    """It goes through LiteLLM, which adds nothing of its own to a chat."""
    messages = [
        {"role": "system", "content": "Act as an expert software developer."},
        {"role": "user", "content": "I want you to act as if you had added me to the chat."},
        {"role": "assistant", "content": "Ok."},
        {"role": "user", "content": "Add a docstring"},
    ]
    body = {"model": "scripted", "messages": messages, "temperature": 0, "stream": stream}

    answered = program.stream("/chat/completions", body) if stream else program.post("/chat/completions", body)

    said = text_of(answered) if stream else answered["choices"][0]["message"]["content"]
    assert said == answer


def test_opencode_asks_for_more_tokens_than_the_context_has(program: Program, answer: str) -> None:
    """Its default for a model that it does not know is 32 000; its titles come from a second chat beside the first."""
    tools = [tool("bash", command={"type": "string"}, description={"type": "string"}), tool("todoread")]
    body = {
        "model": "scripted",
        "max_tokens": 32_000,
        "temperature": 0,
        "top_p": 1,
        "messages": [{"role": "system", "content": "You are opencode."}, *HELLO],
        "tools": tools,
        "tool_choice": "auto",
        **USAGE,
    }

    chunks = program.stream("/chat/completions", body)

    assert text_of(chunks) == answer
    warnings = [warning for chunk in chunks for warning in chunk.get("senses", {}).get("warnings", [])]
    assert any("32000" in warning or "32 000" in warning for warning in warnings), warnings


def test_cursor_that_posts_a_body_of_responses_to_chat_is_told_where_it_belongs(program: Program) -> None:
    body = {"model": "scripted", "input": [{"role": "user", "content": "Hello"}], "stream": True, "store": False}

    answer = program.send("/chat/completions", json=body)

    assert answer.status_code == 400
    assert "/v1/responses" in answer.json()["error"]["message"]


def test_cursor_chats_with_the_fields_of_its_own(program: Program) -> None:
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "You are an AI coding assistant."}, *HELLO],
        "temperature": 0,
        "user": "github|1",
        "stream": True,
        "tools": [tool("read_file", target_file={"type": "string"})],
        "tool_choice": "auto",
        "stream_options": {"include_usage": True},
    }

    assert text_of(program.stream("/chat/completions", body))
