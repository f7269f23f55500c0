"""The reader of text in a real daemon: over OpenAI's SDK and over MCP, and what its worker takes of the memory."""

import base64
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from PIL import Image, ImageDraw, ImageFont

from model_runtime.catalog.builtin_models import OCR_FOLDER, OCR_MODEL
from model_runtime.catalog.memory_estimate import resident_bytes, weights_bytes
from tests.end_to_end.conftest import RunningDaemon
from tests.end_to_end.test_mcp import call, connected

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]
WORDS = ["Sign in", "Forgot password?"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Two lines of text on white."""
    image = Image.new("RGB", (480, 200), "white")
    for row, words in enumerate(WORDS):
        ImageDraw.Draw(image).text((40, 40 + 60 * row), words, fill="black", font=ImageFont.load_default(26))
    image.save(tmp_path / "screen.png")
    return tmp_path / "screen.png"


@pytest.mark.promise("ocr:chat")
def test_a_chat_answers_with_the_text_plain_and_streamed_and_with_the_lines(
    served: RunningDaemon, picture: Path
) -> None:
    client: Any = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True)
    url = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]

    plain = client.chat.completions.create(model="ocr-fast", messages=messages)
    *_, last = chunks = list(client.chat.completions.create(model="ocr-fast", messages=messages, stream=True))

    assert plain.choices[0].message.content == "\n".join(WORDS)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "\n".join(WORDS)
    assert [line["text"] for line in plain.senses["lines"]] == WORDS
    assert plain.senses["lines"] == last.senses["lines"]
    left, top, width, height = plain.senses["lines"][0]["box"]
    assert (left, top, left + width, top + height) == pytest.approx((40, 46, 122, 72), abs=9)
    assert plain.senses["starter"] is False


@pytest.mark.promise("ocr:auto")
@pytest.mark.promise("mcp:text-in-image")
async def test_a_tool_reads_a_screen_and_helps_the_starter_with_its_words(served: RunningDaemon, picture: Path) -> None:
    async with connected(served, "http") as client:
        read = await call(client, "describe_image", image=str(picture), task="ocr")
        described = await call(client, "describe_image", image=str(picture))

    assert (read["model"], read["text"]) == ("ocr-fast", "\n".join(WORDS))
    assert [line["text"] for line in read["lines"]] == WORDS
    assert described["model"] == "vlm-starter"
    assert described["text_in_image"] == read["lines"]


@pytest.mark.promise("ocr:memory")
def test_the_memory_of_the_reader_is_estimated_and_given_back(served: RunningDaemon) -> None:
    estimated_bytes = resident_bytes(OCR_MODEL, weights_bytes({"model": OCR_FOLDER}))

    httpx2.post(f"{served.url}/api/models/ocr-fast/stop", timeout=60)
    httpx2.post(f"{served.url}/api/models/ocr-fast/start", timeout=60)
    measured_bytes = wait_for_footprint(served, lambda size: size > 0)
    httpx2.post(f"{served.url}/api/models/ocr-fast/stop", timeout=60)

    assert measured_bytes <= 1.1 * estimated_bytes
    if sys.platform == "linux":  # where the pages of libraries count; a Mac's footprint leaves them out
        assert measured_bytes >= 0.9 * estimated_bytes
    assert wait_for_footprint(served, lambda size: size == 0) == 0


def wait_for_footprint(served: RunningDaemon, is_it: Any) -> int:
    """Return the bytes of the reader's worker as soon as they are as wanted."""
    size, deadline = -1, time.monotonic() + 30
    while time.monotonic() < deadline:
        status = httpx2.get(f"{served.url}/api/status").json()
        size = int(next(model["footprint_bytes"] for model in status["models"] if model["name"] == "ocr-fast"))
        if is_it(size):
            return size
        time.sleep(0.1)
    raise TimeoutError(f"footprint_bytes stays {size}")
