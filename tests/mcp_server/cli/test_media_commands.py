"""The commands that see, draw, hear, speak and chat, in a terminal and in a pipe, over a daemon with a fake runtime."""

import io
import json
from collections.abc import AsyncIterable
from pathlib import Path

import anyio
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mcp_server.cli import speak as speak_command
from mcp_server.cli.endings import INTERRUPTED, WRONG_USE
from mcp_server.cli.main import app
from model_runtime.errors import OutOfMemory
from model_runtime.media.speech_encoder import wav_header
from model_runtime.requests import Chat, GenerateImage, Speak, Transcribe
from tests.mcp_server.cli.conftest import Instance
from tests.mcp_server.cli.terminal import END_OF_INPUT, in_pipe, in_terminal

ANSWER = "A red circle on a white background."
SOUND = b"\x00\x10" * 7200
"""What the fake runtime speaks, at 24 kHz."""


def picture(path: Path) -> Path:
    Image.new("RGB", (32, 32), "red").save(path)
    return path


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def folder(name: str) -> None:
    Path(name).mkdir()


def content(file: str | Path) -> bytes:
    return Path(file).read_bytes()


def names(pattern: str) -> set[str]:
    return {path.name for path in Path().glob(pattern)}


def recording(path: Path) -> Path:
    path.write_bytes(wav_header(16_000, 32_000) + bytes(32_000))
    return path


@pytest.mark.promise("cli:describe")
async def test_a_picture_is_described_and_a_question_answered_in_a_terminal_and_in_a_pipe(instance: Instance) -> None:
    file = picture(instance.folder / "shot.png")

    shown = await in_terminal("describe", str(file), "-q", "what is wrong with this form?")
    piped = await in_pipe("describe", sent=content(file))
    as_json = await in_pipe("describe", str(file), "--json")

    assert ANSWER in shown.text
    assert (piped.status, piped.text) == (0, ANSWER + "\n")
    assert json.loads(as_json.text) | {"text": ANSWER, "model": "vlm-starter"} == json.loads(as_json.text)
    asked = [request.messages[-1].content for request in instance.service.requests if isinstance(request, Chat)]
    assert [content[-1] for content in asked] == [
        "what is wrong with this form?",
        *["Describe this image in detail."] * 2,
    ]
    assert set(instance.service.clients) == {"senses"}


@pytest.mark.promise("cli:many-files")
async def test_many_pictures_and_patterns_are_described_under_their_names(instance: Instance) -> None:
    for name in ("b.png", "a.png"):
        picture(instance.folder / name)

    piped = await in_pipe("describe", "*.png")
    written = await in_pipe("describe", "a.png", "b.png", "-o", "said.txt")

    assert piped.text == f"a.png:\n{ANSWER}\n\nb.png:\n{ANSWER}\n"
    assert written.text == ""
    assert content("said.txt").decode() == piped.text


@pytest.mark.promise("cli:generate")
async def test_a_picture_is_drawn_into_a_file_whose_ending_is_its_format(instance: Instance) -> None:
    shown = await in_terminal("generate", "a red fox", "-o", "fox.webp", "--size", "64x32", "--seed", "7")
    piped = await in_pipe("generate", sent=b"a red fox")
    for _ in range(2):
        await in_pipe("generate", "a red", "fox!", "-n", "2", "--json")
    as_json = await in_pipe("generate", "a red fox", "--json", "--seed", "3")

    assert "fox.webp" in shown.text
    assert content("fox.webp")[8:12] == b"WEBP"
    assert Image.open(io.BytesIO(piped.stdout)).format == "PNG"
    assert names("*-2-*.png") == {"a-red-fox-2-1.png", "a-red-fox-2-2.png"}
    told = json.loads(as_json.text)
    assert (told["file"], told["seed"], names("a-red-fox.png")) == ("a-red-fox.png", 3, {"a-red-fox.png"})
    first = instance.service.requests[0]
    assert isinstance(first, GenerateImage)
    assert (first.prompt, first.width, first.height, first.seed) == ("a red fox", 64, 32, 7)


async def test_a_drawing_is_opened_when_a_person_asks_for_it(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(typer, "launch", opened.append)

    await in_pipe("generate", "a red fox", "-o", "fox.png", "--open")

    assert opened == ["fox.png"]


@pytest.mark.promise("cli:transcribe")
async def test_a_recording_becomes_text_or_subtitles_by_the_ending_of_its_file(instance: Instance) -> None:
    file = str(recording(instance.folder / "meeting.wav"))

    shown = await in_terminal("transcribe", file)
    piped = await in_pipe("transcribe", sent=content(file))
    await in_pipe("transcribe", file, "-o", "meeting.srt", "--language", "en")
    as_srt = await in_pipe("transcribe", file, "--format", "srt")
    as_json = await in_pipe("transcribe", file, "--json")

    assert "a red circle" in shown.text
    assert piped.text == "a red circle\n"
    assert content("meeting.srt").decode().splitlines()[1] == "00:00:00,000 --> 00:00:01,500"
    assert as_srt.text == content("meeting.srt").decode()
    assert json.loads(as_json.text)["segments"][0]["end"] == 1.5
    assert [request.language for request in instance.service.requests if isinstance(request, Transcribe)][2] == "en"


async def test_many_recordings_are_written_into_a_folder(instance: Instance) -> None:
    for name in ("a.wav", "b.wav"):
        recording(instance.folder / name)
    folder("notes")

    ended = await in_pipe("transcribe", "*.wav", "-o", "notes", "--format", "vtt")
    refused = await in_pipe("transcribe", "*.wav", "-o", "all.txt")

    assert ended.status == 0
    assert names("notes/*") == {"a.vtt", "b.vtt"}
    assert (refused.status, refused.stderr) == (
        WRONG_USE,
        "all.txt is one file for 2 recordings. Name a folder that exists.\n",
    )


@pytest.mark.promise("cli:speak")
async def test_a_text_is_spoken_into_a_file_or_a_pipe(instance: Instance) -> None:
    write("notes.md", "a red circle")

    shown = await in_terminal("speak", "-f", "notes.md", "-o", "notes.mp3", "--voice", "otto")
    piped = await in_pipe("speak", sent=b"a red circle")
    as_json = await in_pipe("speak", "a red", "circle", "-o", "said.wav", "--json")
    refused = await in_terminal("speak", "a red circle")

    assert "notes.mp3: 0.3 s" in shown.text
    assert len(content("notes.mp3")) > 500
    assert piped.stdout == content("said.wav") == wav_header(24_000, len(SOUND)) + SOUND
    assert json.loads(as_json.text) == {"file": "said.wav", "seconds": 0.3, "model": "tts-starter", "warnings": []}
    assert (refused.status, "--play" in refused.text) == (WRONG_USE, True)
    spoken = [request for request in instance.service.requests if isinstance(request, Speak)]
    assert next((request.text, request.voice) for request in spoken) == ("a red circle", "otto")


@pytest.mark.promise("cli:play")
async def test_a_text_is_played_while_it_is_made_and_written_too_if_asked(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[tuple[int, bytes]] = []

    async def speakers(sample_rate: int, chunks: AsyncIterable[bytes]) -> None:
        played.append((sample_rate, b"".join([chunk async for chunk in chunks])))

    monkeypatch.setattr(speak_command, "system_output", lambda: speakers)

    ended = await in_pipe("speak", "--play", "-o", "notes.wav", sent=b"a red circle")

    assert (ended.status, ended.stdout) == (0, b"")
    assert played == [(24_000, SOUND)]
    assert len(content("notes.wav")) == len(SOUND) + 44


async def test_without_a_program_that_plays_sound_nothing_is_begun(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speak_command, "system_output", lambda: None)

    ended = await in_pipe("speak", "--play", "a red circle")

    assert (ended.status, ended.stderr[:29]) == (1, "No program here plays sound. ")
    assert instance.service.requests == []


@pytest.mark.promise("cli:chat")
async def test_a_conversation_remembers_what_was_said_and_a_pipe_gets_one_answer(instance: Instance) -> None:
    talk = await in_terminal("chat", "-s", "Be short.", typed=f"one\ntwo\n{END_OF_INPUT}")
    piped = await in_pipe("chat", sent=b"one")
    as_json = await in_pipe("chat", "one", "--json")

    assert (talk.status, talk.text.count(ANSWER)) == (0, 2)
    assert piped.text == ANSWER + "\n"
    assert json.loads(as_json.text)["text"] == ANSWER
    _, second, *_ = [request for request in instance.service.requests if isinstance(request, Chat)]
    assert [message.role for message in second.messages] == ["system", "user", "assistant", "user"]


@pytest.mark.promise("cli:wrong-use")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("describe", "missing.png"), 'missing.png does not exist; try "./*".'),
        (("describe", "*.gif"), '*.gif does not exist; try "./*".'),
        (("describe", "home"), 'home is a folder; name files, or a pattern such as "./*".'),
        (("generate", "a fox", "-o", "fox.gif"), "fox.gif must end in .png, .jpg, .jpeg or .webp."),
        (("generate", "a fox", "-o", "no/fox.png"), "There is no folder no. Make it, or name another file."),
        (("generate", "a fox", "-n", "2"), "Standard output takes one picture, not 2. Name a file with -o."),
        (("generate", " "), "The text is empty. Give what to draw."),
        (("describe", "-", "-o", "no/said.txt"), "There is no folder no. Make it, or name another file."),
        (("describe", "-", "-o", "home"), "home is a folder. Name a file in it."),
        (
            ("transcribe", "-", "--format", "srt", "-o", "no/a.srt"),
            "There is no folder no. Make it, or name another file.",
        ),
        (
            ("transcribe", "-", "-", "-o", "home"),
            "home/standard input.txt would be the transcript of several recordings. Write them into several folders.",
        ),
        (("transcribe", "-", "--format", "doc"), "--format is 'doc'. It must be one of txt, srt, vtt, json."),
        (("speak", "a fox", "--json"), "Standard output takes the JSON. Name a file with -o, or hear it with --play."),
        (("chat",), "standard input is empty."),
    ],
)
def test_a_wrong_use_ends_with_2_and_says_what_to_do_before_any_work(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon would be work: this test may start no process."""
    monkeypatch.setenv("SENSES_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder("home")

    ended = CliRunner().invoke(app, arguments)

    assert (ended.exit_code, ended.stderr, ended.stdout) == (WRONG_USE, sentence + "\n", "")


async def test_the_words_of_the_daemon_are_told_when_it_fails_and_no_file_is_left(instance: Instance) -> None:
    instance.service.error = OutOfMemory("It needs 9 GB.")

    drawn = await in_pipe("generate", "a fox", "-o", "fox.png")
    said = await in_pipe("chat", "one")

    assert [(ended.status, ended.stderr, ended.stdout) for ended in (drawn, said)] == [(1, "It needs 9 GB.\n", b"")] * 2
    assert names("fox*") == set()


async def test_warnings_are_told_beside_the_result(instance: Instance) -> None:
    instance.service.warnings = ("It knows no foxes.",)
    file = str(recording(instance.folder / "a.wav"))

    for arguments in (("chat", "one"), ("generate", "fox", "-o", "a.png"), ("transcribe", file), ("speak", "fox")):
        assert (await in_pipe(*arguments)).stderr == "note: It knows no foxes.\n"


@pytest.mark.promise("cli:interrupted")
async def test_ctrl_c_ends_with_130_and_cancels_the_request_in_the_daemon(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.service.gate = anyio.Event()  # the rest of the answer never comes

    def interrupted(part: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcp_server.cli.chat.print_part", interrupted)

    ended = await in_pipe("chat", "one")
    with anyio.fail_after(5):
        while not instance.service.cancelled_requests:
            await anyio.lowlevel.checkpoint()

    assert (ended.status, ended.stderr) == (INTERRUPTED, "Stopped.\n")
