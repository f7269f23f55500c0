"""The official MCP client calls all four tools on real files and judges what the answers mean."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from PIL import Image

from model_runtime.media.audio import decode_audio
from model_runtime.media.types import Audio
from tests.end_to_end.conftest import BIN_FOLDER, CLIPS, RunningDaemon
from tests.end_to_end.pictures import draw_circle, draw_square_right_of_circle

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]
FACES = ["stdio", "http"]


@asynccontextmanager
async def connected(served: RunningDaemon, face: str) -> AsyncGenerator[Client]:
    """A client over the shim, or over /mcp."""
    shim = StdioServerParameters(command=str(BIN_FOLDER / "senses-mcp"), env={"SENSES_HOME": str(served.home)})
    async with Client(shim if face == "stdio" else f"{served.url}/mcp") as client:
        yield client


async def call(client: Client, name: str, **arguments: object) -> dict[str, Any]:
    """Call a tool and return its structured result."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


def heard(path: str) -> Audio:
    """The recording in a file."""
    return decode_audio(Path(path).read_bytes())


@pytest.mark.promise("mcp:describe")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("color", ["red", "blue"])
async def test_a_circle_is_described_with_its_colour(
    served: RunningDaemon, tmp_path: Path, face: str, color: str
) -> None:
    picture = draw_circle(tmp_path / "picture.png", color)

    async with connected(served, face) as client:
        seen = await call(client, "describe_image", image=str(picture))

    assert color in seen["text"]
    assert "circle" in seen["text"]
    assert seen["model"] == "vlm-starter"
    assert seen["notice"].startswith("vlm-starter ")


async def test_a_question_about_a_picture_is_answered(served: RunningDaemon, tmp_path: Path) -> None:
    picture = draw_square_right_of_circle(tmp_path / "picture.png", "green", "red")

    async with connected(served, "stdio") as client:
        seen = await call(client, "describe_image", image=str(picture), prompt="What color is the square?")

    assert "green" in seen["text"].lower()
    assert "red" not in seen["text"].lower()


@pytest.mark.promise("mcp:transcribe")
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("clip", "words"),
    [
        ("red-circle-above-blue-square.flac", "a red circle above a blue square"),
        ("three-one-four.flac", "three one four"),
    ],
)
async def test_a_clip_is_written_down_word_for_word(served: RunningDaemon, face: str, clip: str, words: str) -> None:
    async with connected(served, face) as client:
        transcript = await call(client, "transcribe", audio=str(CLIPS / clip))

    assert transcript["text"].strip() == words
    assert transcript["model"] == "stt-starter"


@pytest.mark.promise("mcp:no-words-for-no-speech")
@pytest.mark.parametrize("clip", ["silence.flac", "noise.flac", "music.flac"])
async def test_silence_noise_and_music_hold_no_words(served: RunningDaemon, clip: str) -> None:
    async with connected(served, "stdio") as client:
        transcript = await call(client, "transcribe", audio=str(CLIPS / clip))

    assert transcript["text"].strip() == ""


@pytest.mark.promise("mcp:speak")
@pytest.mark.parametrize("face", FACES)
async def test_a_sentence_is_spoken_into_a_file_that_plays(served: RunningDaemon, face: str) -> None:
    async with connected(served, face) as client:
        spoken = await call(client, "speak", text="A red circle.")

    sound = heard(spoken["path"])
    assert sound.duration_seconds == pytest.approx(spoken["duration"], abs=0.1)
    assert spoken["model"] == "tts-starter"


@pytest.mark.promise("mcp:generate")
@pytest.mark.parametrize("face", FACES)
async def test_a_picture_is_drawn_into_a_file_with_its_seed(served: RunningDaemon, face: str) -> None:
    async with connected(served, face) as client:
        drawn = await call(client, "generate_image", prompt="a red circle", width=256, height=256, seed=7)

    (picture,) = drawn["images"]
    with Image.open(picture["path"]) as image:
        assert image.size == (256, 256)
    assert picture["seed"] == 7


@pytest.mark.promise("errors:mcp")
@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("describe_image", {"image": "no-such-picture.png"}, "no-such-picture.png"),
        ("describe_image", {"image": "TEXT.png"}, "image"),
        ("describe_image", {"image": "circle.png", "model": "vlm-worst"}, "vlm-worst"),
        ("describe_image", {"image": "circle.png", "model": "tts-starter"}, "tts-starter supports speech"),
        ("transcribe", {"audio": "TEXT.png"}, "record"),
        ("transcribe", {"audio": "EMPTY.wav"}, "empty"),
        ("generate_image", {"prompt": "a cat", "width": 15}, "15"),
        ("generate_image", {"prompt": "a cat", "steps": 999}, "steps"),
        ("speak", {"text": "Hello", "voice": "nobody"}, "nobody"),
        ("speak", {"text": "안녕하세요"}, "Korean"),
        ("describe_image", {"image": "circle.png", "model": "vlm-best"}, "senses pull vlm-best"),
    ],
)
async def test_bad_input_is_refused_in_a_sentence_and_the_next_call_works(
    served: RunningDaemon, tmp_path: Path, tool: str, arguments: dict[str, Any], complaint: str
) -> None:
    (tmp_path / "TEXT.png").write_text("SECRET=hunter2")
    (tmp_path / "EMPTY.wav").write_bytes(b"")
    draw_circle(tmp_path / "circle.png", "red")
    local = {key: str(tmp_path / value) if key in ("image", "audio") else value for key, value in arguments.items()}

    async with connected(served, "stdio") as client:
        refused = await client.call_tool(tool, local)
        seen = await call(client, "describe_image", image=str(tmp_path / "circle.png"))

    said = " ".join(block.text for block in refused.content if block.type == "text")
    assert refused.is_error
    assert complaint.lower() in said.lower()
    assert "hunter2" not in said
    assert "red circle" in seen["text"].lower()
