"""What real starters say of themselves on both faces: that they are starters, what they do not know, what they changed."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from openai import OpenAI
from PIL import Image

from tests.end_to_end.conftest import CLIPS, RunningDaemon
from tests.end_to_end.pictures import draw_circle

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]

OUTSIDE = "Outside what the starter model knows: "
LEFT_OUT = "2 of the letters were left out"
SCALED = "the picture was scaled to 192x144"
QUESTION = "How many giraffes are in the sunset?"
MIXED = "a red circle 안녕"
WIDE = {"width": 192, "height": 144}


@pytest.mark.promise("mcp:starter-labelled")
@pytest.mark.promise("starters:unknown-words-told")
@pytest.mark.parametrize(
    ("tool", "arguments", "model", "told"),
    [
        (
            "describe_image",
            {"image": "PICTURE", "prompt": QUESTION},
            "vlm-starter",
            [f'{OUTSIDE}"giraffes", "sunset".'],
        ),
        ("describe_image", {"image": "PICTURE", "task": "alt_text"}, "vlm-starter", []),
        ("generate_image", {"prompt": "a giraffe", **WIDE}, "image-starter", [f'{OUTSIDE}"giraffe".', SCALED]),
        ("generate_image", {"prompt": "a red circle", **WIDE}, "image-starter", [SCALED]),
        ("transcribe", {"audio": "CLIP", "vocabulary": "Zanzibar"}, "stt-starter", [f'{OUTSIDE}"zanzibar".']),
        ("transcribe", {"audio": "CLIP"}, "stt-starter", []),
        ("speak", {"text": MIXED}, "tts-starter", [LEFT_OUT]),
    ],
)
async def test_a_tool_tells_that_a_starter_answered_and_what_to_doubt(
    served: RunningDaemon, tmp_path: Path, tool: str, arguments: dict[str, Any], model: str, told: list[str]
) -> None:
    files = {
        "PICTURE": str(draw_circle(tmp_path / "a.png", "red")),
        "CLIP": str(CLIPS / "draw-a-small-green-star.flac"),
    }

    async with Client(f"{served.url}/mcp") as client:
        result = await client.call_tool(tool, {key: files.get(str(value), value) for key, value in arguments.items()})

    assert not result.is_error, result.content
    data = dict(result.structured_content or {})
    assert (data["model"], data["starter"]) == (model, True)
    assert data["notice"].startswith(f"{model} is a tiny built-in model that only ")
    assert all(part in warning for warning, part in zip(data.get("warnings", []), told, strict=True))


def last_senses(stream: str) -> dict[str, Any]:
    """What the last event of a stream that tells anything about its model tells."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    told: list[dict[str, Any]] = [event["senses"] for event in events if "senses" in event]
    return told[-1]


@pytest.mark.promise("openai:starter-labelled")
@pytest.mark.promise("starters:unknown-words-told")
def test_a_streamed_chat_ends_with_what_to_doubt(served: RunningDaemon, tmp_path: Path) -> None:
    data = base64.b64encode(draw_circle(tmp_path / "a.png", "red").read_bytes()).decode()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": QUESTION}, picture]}]

    answer = httpx2.post(f"{served.url}/v1/chat/completions", json={"messages": messages, "stream": True}, timeout=120)

    senses = last_senses(answer.text)
    assert (senses["model"], senses["starter"]) == ("vlm-starter", True)
    assert senses["warnings"][0].startswith(f'{OUTSIDE}"giraffes", "sunset".')


@pytest.mark.promise("openai:starter-labelled")
def test_a_picture_tells_that_it_was_enlarged(served: RunningDaemon) -> None:
    ask = {"prompt": "a red circle", "size": "192x144"}

    answer = httpx2.post(f"{served.url}/v1/images/generations", json=ask, timeout=240).json()

    assert answer["senses"]["size"] == "192x144"
    assert answer["senses"]["starter"] is True
    assert SCALED in answer["senses"]["warnings"][0]


@pytest.mark.promise("image:mask")
@pytest.mark.promise("openai:edits")
def test_an_edit_by_the_starter_keeps_what_its_mask_protects_and_tells_how_it_was_drawn(served: RunningDaemon) -> None:
    picture = Image.effect_noise((128, 128), 90).convert("RGB")
    mask = Image.new("RGBA", picture.size, "black")
    mask.paste((0, 0, 0, 0), (0, 0, 64, 128))
    sdk = OpenAI(base_url=f"{served.url}/v1", api_key="none", timeout=240, _strict_response_validation=True)

    answer = sdk.images.edit(image=png(picture), mask=png(mask), prompt="a blue star on a white background")

    assert answer.data is not None
    edited = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or "")))
    kept, changed = (64, 0, 128, 128), (0, 0, 64, 128)
    assert edited.crop(kept).tobytes() == picture.crop(kept).tobytes()
    assert edited.crop(changed).tobytes() != picture.crop(changed).tobytes()
    (told,) = (answer.model_extra or {})["senses"]["warnings"]
    assert told.startswith("image-starter follows no instruction about a picture")


def png(image: Image.Image) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.promise("openai:starter-labelled")
def test_sound_tells_in_its_headers_what_was_left_out(served: RunningDaemon) -> None:
    answer = httpx2.post(f"{served.url}/v1/audio/speech", json={"input": MIXED}, timeout=120)

    assert (answer.headers["x-senses-model"], answer.headers["x-senses-starter"]) == ("tts-starter", "true")
    assert json.loads(answer.headers["x-senses-warnings"])[0].startswith(LEFT_OUT)
