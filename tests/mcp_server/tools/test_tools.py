import base64
import io
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image

from mcp_server.calls import jobs
from mcp_server.calls.transcript_formats import render
from mcp_server.files.client import ClientConnection
from mcp_server.tools.describe_image import detections_of
from model_runtime.errors import ModelMissing, QueueFull
from model_runtime.events import ChatResult, Segment, TranscriptionResult, Word
from model_runtime.formats.fetch import Fetcher
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, GenerateImage, Speak, Transcribe
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode, open_server


def text_of(result: CallToolResult) -> str:
    first = result.content[0]
    assert isinstance(first, TextContent)
    return first.text


def file_of(data: dict[str, Any]) -> Path:
    return Path(data["path"])


def data_of(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text_of(result)
    data: dict[str, Any] | None = result.structured_content
    assert data is not None
    return data


@pytest.mark.promise("mcp:places")
async def test_an_agent_learns_in_pixels_where_things_are(connect: Connect, service: FakeService) -> None:
    service.answer_parts = ('[{"bbox_2d": [8, 12, 24, 36], "label": "circle"}]',)
    service.update_models(lambda models: [replace(model, abilities=("detect", "point")) for model in models])
    async with connect() as client:
        result = await client.call_tool("describe_image", {"image": "red.png", "task": "detect", "prompt": "circles"})

    assert data_of(result)["boxes"] == [{"label": "circle", "x": 8, "y": 12, "width": 16, "height": 24}]
    (request,) = service.requests
    assert isinstance(request, Chat)
    assert "every instance of circles" in str(request.messages[0].content[-1])


@pytest.mark.promise("reliability:model-sized")
def test_where_things_are_is_told_in_pixels_of_the_file_however_it_was_shrunk() -> None:
    shrunk = ImageData(100, 50, b"", file_width=1_000, file_height=500)
    answer = ChatResult('[{"bbox_2d": [10, 20, 30, 40], "label": "circle"}]', "stop", 1, 1)

    (box,) = detections_of("detect", answer, shrunk)["boxes"]

    assert (box.x, box.y, box.width, box.height) == (100, 200, 200, 200)


async def test_a_model_that_cannot_say_where_things_are_is_not_asked(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        result = await client.call_tool("describe_image", {"image": "red.png", "task": "point"})

    assert result.is_error
    assert "cannot point" in text_of(result)
    assert "vlm-best" in text_of(result)
    assert service.requests == []


@pytest.mark.promise("mcp:describe")
async def test_an_agent_sees_what_is_in_a_picture_of_its_project(
    connect: Connect, era: ProtocolMode, service: FakeService
) -> None:
    async with connect(era) as client:
        result = await client.call_tool("describe_image", {"image": "red.png", "prompt": "What colour?"})

    data = data_of(result)
    assert data["text"] == "A red circle on a white background."
    assert data["image"] == {"width": 64, "height": 48}
    assert json.loads(text_of(result)) == data
    (request,) = service.requests
    assert isinstance(request, Chat)
    picture, question = request.messages[0].content
    assert question == "What colour?"
    assert not isinstance(picture, str)
    assert picture.rgb[:3] == b"\xff\x00\x00"


async def test_reading_text_asks_for_the_text_and_keeps_the_callers_wish(
    connect: Connect, service: FakeService
) -> None:
    async with connect() as client:
        await client.call_tool("describe_image", {"image": "red.png", "task": "ocr", "prompt": "Only the title."})

    (request,) = service.requests
    assert isinstance(request, Chat)
    question = request.messages[0].content[-1]
    assert isinstance(question, str)
    assert question.startswith("Write down all text")
    assert question.endswith("Only the title.")


@pytest.mark.promise("mcp:generate")
async def test_a_drawing_is_saved_linked_and_previewed(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "width": 256, "height": 128, "seed": 7})
        (image,) = data_of(result)["images"]
        read = await client.read_resource(image["uri"])

    with Image.open(image["path"]) as saved:
        assert (saved.format, saved.size) == ("PNG", (256, 128))
    assert image["seed"] == 7
    assert [block.type for block in result.content] == ["text", "image", "resource_link"]
    assert read.contents[0].mime_type == "image/png"


async def test_several_drawings_differ_by_their_seed_and_get_numbered_files(
    connect: Connect, service: FakeService, project: Path
) -> None:
    arguments = {"prompt": "a fox", "width": 64, "height": 64, "seed": 5, "count": 3, "output_path": "fox.webp"}

    async with connect() as client:
        result = await client.call_tool("generate_image", arguments)

    images = data_of(result)["images"]
    assert [image["seed"] for image in images] == [5, 6, 7]
    assert [Path(image["path"]).name for image in images] == ["fox.webp", "fox-2.webp", "fox-3.webp"]
    with Image.open(project / "fox-3.webp") as saved:
        assert saved.format == "WEBP"
    assert all(isinstance(request, GenerateImage) for request in service.requests)


async def test_a_drawing_can_start_from_a_picture(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "at night", "image": "red.png", "strength": 0.7})

    (request,) = service.requests
    assert isinstance(request, GenerateImage)
    assert request.source_image is not None
    assert request.strength == 0.7


@pytest.mark.promise("mcp:transcribe")
async def test_a_recording_becomes_text_with_its_file(
    connect: Connect, era: ProtocolMode, service: FakeService
) -> None:
    async with connect(era) as client:
        result = await client.call_tool("transcribe", {"audio": "beep.wav", "timestamps": "segment"})

    data = data_of(result)
    assert (data["text"], data["language"]) == ("a red circle", "en")
    assert data["segments"] == [{"start": 0.0, "end": 1.5, "text": "a red circle"}]
    assert file_of(data).read_text() == "a red circle\n"
    (request,) = service.requests
    assert isinstance(request, Transcribe)
    assert request.audio.duration_seconds == pytest.approx(1.0, abs=0.05)


async def test_the_language_of_a_recording_may_be_left_open_or_named_in_words(
    connect: Connect, service: FakeService
) -> None:
    async with connect() as client:
        for language in ("", "auto", "Korean"):
            data_of(await client.call_tool("transcribe", {"audio": "beep.wav", "language": language}))

    assert [request.language for request in service.requests if isinstance(request, Transcribe)] == ["", "", "ko"]


async def test_subtitles_are_saved_where_the_agent_wants_them(connect: Connect, project: Path) -> None:
    async with connect() as client:
        result = await client.call_tool("transcribe", {"audio": "beep.wav", "format": "srt", "output_path": "talk.srt"})

    assert data_of(result)["path"] == str(project / "talk.srt")
    assert (project / "talk.srt").read_text() == "1\n00:00:00,000 --> 00:00:01,500\na red circle\n"


def test_a_transcript_file_keeps_every_word_and_time() -> None:
    heard = TranscriptionResult("hi", "en", 1.0, (Segment(0, 0.0, 1.0, " hi", words=(Word(" hi", 0.1, 0.9),)),))

    table = json.loads(render(heard, "json"))

    assert table["segments"][0]["words"] == [{"start": 0.1, "end": 0.9, "word": "hi"}]


@pytest.mark.promise("mcp:speak")
async def test_a_text_becomes_a_sound_file(connect: Connect, era: ProtocolMode, service: FakeService) -> None:
    async with connect(era) as client:
        result = await client.call_tool("speak", {"text": "Hello", "voice": "otto"})
        data = data_of(result)
        read = await client.read_resource(data["uri"])

    assert file_of(data).read_bytes()[:4] == b"RIFF"
    assert (data["voice"], data["playing"]) == ("otto", False)
    assert read.contents[0].mime_type == "audio/wav"
    assert service.requests == [Speak("tts-starter", "Hello", "otto")]


async def test_an_mp3_is_written_next_to_the_original(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("speak", {"text": "Hello", "format": "mp3"})

    path = Path(data_of(result)["path"])
    assert path.suffix == ".mp3"
    assert path.with_suffix(".wav").exists()


@pytest.mark.promise("mcp:starter-labelled")
@pytest.mark.parametrize(
    ("tool", "arguments", "model", "limit", "real"),
    [
        ("describe_image", {"image": "red.png"}, "vlm-starter", "only knows coloured shapes", "vlm-fast"),
        ("generate_image", {"prompt": "x", "width": 64, "height": 64}, "image-starter", "only draws one", "image-fast"),
        ("transcribe", {"audio": "beep.wav"}, "stt-starter", "only knows shapes, numbers", "stt-fast"),
        ("speak", {"text": "x"}, "tts-starter", "only speaks short English", "tts-fast"),
    ],
)
async def test_a_starter_models_result_says_first_what_it_does_not_know_and_what_to_download(
    connect: Connect, service: FakeService, tool: str, arguments: dict[str, Any], model: str, limit: str, real: str
) -> None:
    service.warnings = ("Outside what the starter model knows",)

    async with connect() as client:
        data = data_of(await client.call_tool(tool, arguments))

    assert (data["model"], data["starter"]) == (model, True)
    assert data["warnings"] == [*service.warnings]
    assert next(iter(data)) == "notice"
    assert data["notice"].startswith(f"{model} is a tiny built-in model that {limit}")
    assert re.search(
        rf"{real} is a real one: .*model=\"{real}\".* `.*senses pull {real}` .* GB \(.+\), once the user",
        data["notice"],
    )


@pytest.mark.promise("mcp:errors")
async def test_a_failure_is_a_sentence_with_its_code(connect: Connect, era: ProtocolMode, service: FakeService) -> None:
    service.error = ModelMissing("image-gen", 9_600_000_000, "senses pull image-gen")

    async with connect(era) as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})

    assert result.is_error
    assert "9.6 GB" in text_of(result)
    assert "senses pull image-gen" in text_of(result)
    assert "[code: model_missing]" in text_of(result)


async def test_a_full_queue_says_when_to_come_back(connect: Connect, service: FakeService) -> None:
    service.error = QueueFull("Too many requests wait.", 12)

    async with connect() as client:
        result = await client.call_tool("speak", {"text": "x"})

    assert "[code: queue_full; retry after 12 s]" in text_of(result)


async def test_an_error_of_our_own_shows_nothing_of_its_inside(connect: Connect, service: FakeService) -> None:
    service.models = ()
    service.error = RuntimeError("secret")  # type: ignore[assignment]

    async with connect() as client:
        result = await client.call_tool("speak", {"text": "x"})

    assert result.is_error
    assert "secret" not in text_of(result)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("describe_image", {}, "image is missing."),
        ("describe_image", {"image": "red.png", "colour": "blue"}, "There is no argument 'colour'; there are image,"),
        (
            "describe_image",
            {"image": "red.png", "task": "poem"},
            "task is 'poem': input should be 'describe', 'caption'",
        ),
        ("generate_image", {"prompt": "x", "width": 15}, "width is 15: input should be greater than or equal to 16."),
        ("generate_image", {"prompt": "x", "steps": 999}, "steps is 999: input should be less than or equal to 50."),
        ("generate_image", {"prompt": "x", "seed": -9}, "seed is -9: input should be greater than or equal to -1."),
        (
            "transcribe",
            {"audio": "beep.wav", "language": "klingon"},
            "There is no language 'klingon'. Use a code such as",
        ),
        ("speak", {"text": "x", "speed": 9}, "speed is 9: input should be less than or equal to 2."),
        ("speak", {"text": "x" * 21_000}, "text: string should have at most 20000 characters."),
        ("describe_image", {"image": "red.png", "model": "gpt-9"}, "There is no model 'gpt-9'. Known models:"),
        ("describe_image", {"image": "red.png", "model": "tts-starter"}, "tts-starter supports speech, not vision."),
    ],
)
async def test_a_wrong_argument_is_named_with_its_value_and_what_is_possible_before_any_work(
    connect: Connect, era: ProtocolMode, service: FakeService, tool: str, arguments: dict[str, Any], message: str
) -> None:
    async with connect(era) as client:
        result = await client.call_tool(tool, arguments)

    assert result.is_error
    assert text_of(result).startswith(message)
    assert "\n" not in text_of(result)
    assert service.requests == []


@pytest.mark.promise("runtime:keep-alive")
@pytest.mark.parametrize(("keep_alive", "seconds"), [("10m", 600.0), (0, 0.0), ("-1", -1.0), ("", None)])
async def test_a_call_says_how_long_its_model_stays(
    connect: Connect, service: FakeService, keep_alive: str | int, seconds: float | None
) -> None:
    stays = {"keep_alive": keep_alive}
    async with connect() as client:
        results = [
            await client.call_tool("describe_image", {"image": "red.png", **stays}),
            await client.call_tool("generate_image", {"prompt": "a red circle", **stays}),
            await client.call_tool("transcribe", {"audio": "beep.wav", **stays}),
            await client.call_tool("speak", {"text": "hello", **stays}),
        ]

    assert not any(result.is_error for result in results), [text_of(result) for result in results]
    assert service.keep_alives == [seconds] * 4


async def test_a_stay_that_means_nothing_is_refused_before_any_work(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        result = await client.call_tool("speak", {"text": "hello", "keep_alive": "soon"})

    assert text_of(result).startswith("keep_alive is 'soon': give seconds")
    assert service.requests == []


async def test_text_that_looks_like_json_is_taken_as_text(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        await client.call_tool("speak", {"text": '{"a": 1}', "voice": ""})

    assert service.requests == [Speak("tts-starter", '{"a": 1}')]


async def test_status_tells_models_voices_memory_and_what_runs(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        data = data_of(await client.call_tool("media_status", {"section": "all"}))

    assert {model["name"] for model in data["models"]} == {"vlm-starter", "image-starter", "stt-starter", "tts-starter"}
    assert data["voices"]["tts-starter"]["voices"] == ["alma", "otto"]
    assert data["memory"]["budget_gb"] == 8.0


async def test_a_model_can_be_loaded_and_unloaded(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        await client.call_tool("manage_model", {"action": "load", "model": "tts-starter"})
        result = await client.call_tool("manage_model", {"action": "unload", "model": "tts-starter"})

    assert service.loaded_models == ["tts-starter"]
    assert service.unloaded_models == ["tts-starter"]
    assert data_of(result)["freed_mb"] == 1


async def test_a_slow_load_becomes_a_job_like_any_other_work(
    connect: Connect, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = anyio.Event()
    monkeypatch.setattr(service, "load", lambda name: loaded.wait())
    monkeypatch.setattr(jobs, "DEFAULT_CALL_TIMEOUT_SECONDS", 0.0)

    async with connect() as client:
        running = data_of(await client.call_tool("manage_model", {"action": "load", "model": "tts-starter"}))
        loaded.set()
        monkeypatch.undo()
        done = data_of(await client.call_tool("get_job", {"job_id": running["job_id"]}))

    assert running["progress"] == "loading tts-starter"
    assert done == {"model": "tts-starter", "state": "ready"}


async def test_an_existing_file_is_not_overwritten_unasked(connect: Connect, project: Path) -> None:
    (project / "fox.png").write_text("mine")
    arguments = {"prompt": "x", "width": 64, "height": 64, "output_path": "fox.png"}

    async with connect() as client:
        refused = await client.call_tool("generate_image", arguments)
        kept = (project / "fox.png").read_text()
        allowed = await client.call_tool("generate_image", arguments | {"overwrite": True})

    assert refused.is_error
    assert kept == "mine"
    assert data_of(allowed)["images"][0]["path"] == str(project / "fox.png")


@pytest.mark.promise("mcp:format")
@pytest.mark.parametrize(
    ("tool", "arguments", "name", "begins"),
    [
        ("speak", {"text": "x"}, "a.mp3", b"\xff"),
        ("speak", {"text": "x"}, "a.FLAC", b"fLaC"),
        ("speak", {"text": "x"}, "a.opus", b"OggS"),
        ("speak", {"text": "x"}, "a.wav", b"RIFF"),
        ("transcribe", {"audio": "beep.wav"}, "a.srt", b"1\n00:00"),
        ("transcribe", {"audio": "beep.wav"}, "a.vtt", b"WEBVTT"),
        ("transcribe", {"audio": "beep.wav"}, "a.json", b"{"),
        ("transcribe", {"audio": "beep.wav"}, "a.txt", b"a red"),
        ("generate_image", {"prompt": "x"}, "a.jpg", b"\xff\xd8"),
    ],
)
async def test_the_ending_of_output_path_chooses_the_format(
    connect: Connect, project: Path, tool: str, arguments: dict[str, Any], name: str, begins: bytes
) -> None:
    async with connect() as client:
        data_of(await client.call_tool(tool, {**arguments, "output_path": name}))

    assert (project / name).read_bytes().lower().startswith(begins.lower())


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("speak", {"text": "x"}, "a.gif must end in .wav, .mp3, .flac, .opus or .ogg."),
        ("transcribe", {"audio": "beep.wav"}, "a.gif must end in .txt, .srt, .vtt or .json."),
        ("generate_image", {"prompt": "x"}, "a.gif must end in .png, .jpg, .jpeg or .webp."),
        ("speak", {"text": "x", "format": "mp3"}, "a.gif must end in .mp3 for this format."),
    ],
)
async def test_an_ending_of_no_format_is_told_with_those_that_are_possible(
    connect: Connect, service: FakeService, tool: str, arguments: dict[str, Any], says: str
) -> None:
    async with connect() as client:
        refused = await client.call_tool(tool, {**arguments, "output_path": "a.gif"})

    assert says in text_of(refused)
    assert service.requests == []


@pytest.mark.promise("files:relative")
async def test_every_result_of_a_client_without_a_working_folder_says_where_relative_paths_are(
    service: FakeService, settings: Settings, project: Path
) -> None:
    async with open_server(service, settings, ClientConnection(None, (project,))) as server, Client(server) as client:
        described = data_of(await client.call_tool("describe_image", {"image": "red.png"}))
        heard = data_of(await client.call_tool("transcribe", {"audio": "beep.wav"}))
        said = data_of(await client.call_tool("speak", {"text": "x", "output_path": "a.wav"}))
        drawn = data_of(await client.call_tool("generate_image", {"prompt": "x", "output_path": "a.png"}))
        saved = data_of(await client.call_tool("save_media", {"uri": drawn["images"][0]["uri"], "path": "b.png"}))

    note = f"This client has no working folder: relative paths are in {project}."
    assert all(note in result["warnings"] for result in (described, heard, said, drawn, saved))
    assert saved["path"] == str(project / "b.png")


async def test_a_place_that_cannot_be_written_costs_no_result(
    connect: Connect, service: FakeService, project: Path
) -> None:
    (project / "talks").mkdir()
    service.gate = anyio.Event()

    async with connect() as client:
        running = data_of(
            await client.call_tool("speak", {"text": "x", "output_path": "talks/a.wav", "wait_seconds": 0})
        )
        (project / "talks").rmdir()
        (project / "talks").write_text("in the way")
        service.gate.set()
        result = await client.call_tool("get_job", {"job_id": running["job_id"]})

    assert result.is_error
    assert "talks/a.wav cannot be written: a folder of its path is a link or a file now." in text_of(result)
    kept = re.search(r"kept as (\S+\.wav)\.", text_of(result))
    assert kept is not None
    assert file_of({"path": kept[1]}).read_bytes()[:4] == b"RIFF"


async def test_artifacts_have_an_address_a_browser_can_open(service: FakeService, settings: Settings) -> None:
    async with (
        open_server(service, settings, ClientConnection(), "http://127.0.0.1:7367") as server,
        Client(server) as client,
    ):
        data = data_of(await client.call_tool("speak", {"text": "x"}))

    assert data["url"] == f"http://127.0.0.1:7367/artifacts/audio/{Path(data['path']).name}"


@pytest.mark.promise("mcp:no-secrets")
@pytest.mark.parametrize(
    ("tool", "parameter", "name", "content"),
    [
        ("describe_image", "image", "secret.png", b"PASSWORD=hunter2\n"),
        ("describe_image", "image", "secret.svg", b"<svg><text>hunter2</text></svg>"),
        ("transcribe", "audio", "secret.wav", b"PASSWORD=hunter2\n"),
        ("transcribe", "audio", "list.m3u8", b"#EXTM3U\n#EXTINF:1,hunter2\nfile:///etc/hostname\n"),
        ("transcribe", "audio", "list.txt", b"ffconcat version 1.0\nfile '/etc/hostname' # hunter2\n"),
    ],
)
async def test_a_file_that_is_no_picture_or_recording_is_refused_and_never_quoted(
    connect: Connect, service: FakeService, project: Path, tool: str, parameter: str, name: str, content: bytes
) -> None:
    (project / name).write_bytes(content)

    async with connect() as client:
        result = await client.call_tool(tool, {parameter: name})

    assert result.is_error
    assert "hunter2" not in result.model_dump_json()
    assert service.requests == []


async def test_the_web_is_refused_with_the_way_to_allow_it(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        result = await client.call_tool("describe_image", {"image": "https://pictures.example/a.png"})

    assert result.is_error
    assert "set files.allow_urls = true in" in text_of(result)
    assert "[code: url_not_allowed]" in text_of(result)
    assert service.requests == []


@pytest.mark.promise("mcp:web")
async def test_where_the_owner_allows_it_media_come_from_the_public_web(
    service: FakeService, settings: Settings, project: Path
) -> None:
    async def look_up(host: str, port: int) -> list[str]:
        return ["127.0.0.1" if host == "local.example" else "93.184.215.14"]

    def reply(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=(project / request.url.path[1:]).read_bytes())

    fetcher = Fetcher(look_up, httpx2.MockTransport(reply))
    allowed = replace(settings, allow_urls=True)
    async with open_server(service, allowed, ClientConnection(), fetcher=fetcher) as server, Client(server) as client:
        seen = await client.call_tool("describe_image", {"image": "https://pictures.example/red.png"})
        heard = await client.call_tool("transcribe", {"audio": "HTTP://sounds.example/beep.wav"})
        refused = await client.call_tool("describe_image", {"image": "http://local.example/red.png"})

    assert data_of(seen)["image"] == {"width": 64, "height": 48}
    assert data_of(heard)["text"] == "a red circle"
    assert refused.is_error
    assert "local.example is not a public address" in text_of(refused)


async def test_a_picture_that_would_fill_the_memory_is_refused(connect: Connect, project: Path) -> None:
    ihdr = b"IHDR" + (100_000).to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00"
    bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\r" + ihdr + zlib.crc32(ihdr).to_bytes(4)
    (project / "bomb.png").write_bytes(bomb + b"\x00\x00\x00\x00IEND\xaeB`\x82")

    async with connect() as client:
        result = await client.call_tool("describe_image", {"image": "bomb.png"})

    assert result.is_error


@pytest.mark.parametrize(("preview", "side_px"), [("full", 1024), ("thumbnail", 768)])
async def test_a_preview_has_the_size_of_its_picture_only_where_that_is_asked_for(
    connect: Connect, preview: str, side_px: int
) -> None:
    async with connect() as client:
        drawn = await client.call_tool(
            "generate_image", {"prompt": "x", "width": 1024, "height": 1024, "preview": preview}
        )

    (shown,) = [block for block in drawn.content if isinstance(block, ImageContent)]
    assert Image.open(io.BytesIO(base64.b64decode(shown.data))).size == (side_px, side_px)
