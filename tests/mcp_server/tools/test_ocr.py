"""What an agent gets of the text in a picture."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from mcp_types import CallToolResult

from mcp_server.calls.text_in_image import MAX_LINES
from model_runtime.errors import WorkerDied
from model_runtime.events import Event, TextLine
from model_runtime.requests import Chat, Request, Task
from tests.fakes import TASK_OF_MODEL, FakeService, model_status
from tests.mcp_server.conftest import Connect
from tests.mcp_server.tools.test_tools import data_of

SIGN_IN = TextLine("Sign in", (8, 12, 40, 16), 0.99)
LINES = [{"text": "Sign in", "box": [8, 12, 40, 16], "confidence": 0.99}]


@pytest.fixture
def service() -> FakeService:
    """A service with a starter, a large vision model, and the reader."""
    service = FakeService()
    reader = model_status("ocr-fast", Task.VISION, starter=False, default=False, abilities=("ocr",))
    large = model_status("vlm-best", Task.VISION, starter=False, default=False, weights_bytes=5_650_000_000)
    service.models = (*service.models, reader, large)
    service.lines = (SIGN_IN,)
    return service


async def described(connect: Connect, **arguments: object) -> dict[str, Any]:
    async with connect() as client:
        result: CallToolResult = await client.call_tool("describe_image", {"image": "red.png", **arguments})
    return data_of(result)


def models_asked(service: FakeService) -> list[str]:
    return [request.model for request in service.requests]


@pytest.mark.promise("ocr:auto")
@pytest.mark.promise("ocr:lines")
@pytest.mark.parametrize("model", ["auto", "fast", "best", "ocr-fast"])
async def test_the_text_of_a_picture_comes_with_the_place_of_each_line(
    connect: Connect, service: FakeService, model: str
) -> None:
    data = await described(connect, task="ocr", model=model)

    assert (data["text"], data["lines"], data["model"], data["starter"]) == ("Sign in", LINES, "ocr-fast", False)
    (request,) = service.requests
    assert isinstance(request, Chat)
    assert len(request.messages[0].content) == 1


@pytest.mark.promise("ocr:lines")
async def test_the_lines_come_from_the_reader_when_another_model_writes_the_text(
    connect: Connect, service: FakeService
) -> None:
    data = await described(connect, task="ocr", model="vlm-starter")

    assert (data["text"], data["lines"]) == ("A red circle on a white background.", LINES)
    assert "text_in_image" not in data


@pytest.mark.promise("mcp:text-in-image")
async def test_a_small_model_is_helped_with_the_text_in_the_picture(connect: Connect, service: FakeService) -> None:
    data = await described(connect, prompt="Turn this screenshot into React code.")

    assert data["text"] == "A red circle on a white background."
    assert data["text_in_image"] == LINES
    assert data["model"] == "vlm-starter"
    assert models_asked(service) == ["vlm-starter", "ocr-fast"]


@pytest.mark.promise("mcp:text-in-image")
@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("vlm-starter", {"include_text": "never"}),
        ("vlm-small", {"task": "caption"}),
        ("vlm-small", {"task": "alt_text"}),
        ("vlm-best", {}),
    ],
    ids=str,
)
async def test_text_is_not_read_where_nobody_needs_it(
    connect: Connect, service: FakeService, monkeypatch: pytest.MonkeyPatch, model: str, arguments: dict[str, object]
) -> None:
    monkeypatch.setitem(TASK_OF_MODEL, model, Task.VISION)
    small = model_status("vlm-small", Task.VISION, starter=False, default=False, weights_bytes=3_850_000_000)
    service.models = (*service.models, small)

    data = await described(connect, model=model, **arguments)

    assert "text_in_image" not in data
    assert models_asked(service) == [model]


@pytest.mark.promise("mcp:text-in-image")
@pytest.mark.parametrize("task", ["describe", "caption", "alt_text"])
async def test_the_text_in_the_picture_comes_with_every_sentence_of_a_starter(
    connect: Connect, service: FakeService, task: str
) -> None:
    data = await described(connect, task=task)

    assert data["notice"].startswith("vlm-starter is a tiny built-in model that only knows coloured shapes")
    assert data["text_in_image"] == LINES


@pytest.mark.promise("mcp:text-in-image")
async def test_text_is_read_beside_any_model_and_task_when_it_is_always_wanted(
    connect: Connect, service: FakeService
) -> None:
    data = await described(connect, include_text="always", task="caption")

    assert data["text_in_image"] == LINES
    assert models_asked(service) == ["vlm-starter", "ocr-fast"]


@pytest.mark.promise("mcp:text-in-image")
async def test_the_text_beside_a_description_is_bounded(connect: Connect, service: FakeService) -> None:
    service.lines = tuple(replace(SIGN_IN, text=f"line {number}") for number in range(MAX_LINES + 30))

    data = await described(connect)

    assert len(data["text_in_image"]) == MAX_LINES
    assert (
        f'The first {MAX_LINES} of {MAX_LINES + 30} lines of text are here; task="ocr" has them all.'
        in data["warnings"]
    )


async def test_a_page_with_more_lines_than_a_result_may_have_keeps_its_text(
    connect: Connect, service: FakeService
) -> None:
    service.lines = tuple(replace(SIGN_IN, text=f"line {number}") for number in range(2_000))

    data = await described(connect, task="ocr")

    assert "lines" not in data
    assert data["truncated"] is True
    assert data["text"].endswith("line 1999")


@pytest.mark.promise("mcp:text-in-image")
async def test_a_picture_without_text_carries_no_text(connect: Connect, service: FakeService) -> None:
    service.lines = ()

    assert "text_in_image" not in await described(connect)


@pytest.mark.promise("mcp:text-in-image")
async def test_a_reader_that_fails_costs_only_the_text(
    connect: Connect, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = service.run

    async def run(request: Request, **options: Any) -> AsyncGenerator[Event]:
        if request.model == "ocr-fast":
            raise WorkerDied("The worker ended.")
        async for event in answer(request, **options):
            yield event

    monkeypatch.setattr(service, "run", run)

    data = await described(connect)

    assert data["text"] == "A red circle on a white background."
    assert "The text in the image was not read: The worker ended." in data["warnings"]
