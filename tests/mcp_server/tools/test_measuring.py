"""What an agent gets of a measured and of two compared images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from PIL import Image

from mcp_server.calls.layout_view import comparison_warnings, show_comparison, show_measurement
from mcp_server.calls.result_types import ImageLine, MeasureResult
from mcp_server.calls.results import estimate_tokens
from model_runtime.decoding.measurer import ImageMeasurer
from model_runtime.errors import Busy
from model_runtime.events import TextLine
from model_runtime.measuring.results import Change, Comparison, Element, Measurement, PaletteColor
from model_runtime.requests import Chat, Task
from tests.fakes import FakeService, model_status
from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_tools import data_of, text_of
from tests.model_runtime.measuring.drawings import BUTTON_BOX, FIRST, INK, SECOND, layout

TITLE = TextLine("Settings", (10, 10, 150, 40), 0.98)


@pytest.fixture
def project(project: Path) -> Path:
    """The client's folder with a design and a rendering that lacks a button."""
    layout().save(project / "design.png")
    layout(button=None).save(project / "screen.png")
    return project


def add_reader(service: FakeService) -> None:
    reader = model_status("ocr-fast", Task.VISION, starter=False, default=False, abilities=("ocr",))
    service.models = (*service.models, reader)
    service.lines = (TITLE,)


async def called(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    return data_of(await client.call_tool(tool, arguments))


@pytest.mark.process
@pytest.mark.promise("mcp:measure")
async def test_a_screenshot_is_measured_in_pixels(connect: Connect, era: ProtocolMode, service: FakeService) -> None:
    add_reader(service)
    async with connect(era) as client:
        data = await called(client, "measure_image", image="design.png")

    elements = {tuple(element["box"]): element for element in data["elements"]}
    (title,) = (element for element in data["elements"] if "text" in element)
    assert data["image"] == {"width": 400, "height": 300}
    assert [FIRST in elements, SECOND in elements, BUTTON_BOX in elements] == [True, True, True]
    assert [elements[FIRST]["id"], elements[SECOND]["id"], 24] in data["gaps_x"]
    assert elements[FIRST]["padding"] == [16, 50, 64, 20]
    assert (title["text"], title["color"], title["kind"]) == ("Settings", INK, "text")
    assert 17 <= title["text_size"] <= 23
    assert (data["model"], data["status"]) == ("ocr-fast", "done")
    assert {"color": "#0969da", "share": 0.0197} in data["palette"]


@pytest.mark.process
@pytest.mark.promise("mcp:measure")
async def test_without_the_reader_there_are_boxes_only(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        data = await called(client, "measure_image", image="design.png")

    assert any(element["kind"] == "text" for element in data["elements"])
    assert not any("text" in element for element in data["elements"])
    assert data["warnings"] == ["Texts are not read: ocr-fast is missing."]
    assert service.requests == []


@pytest.mark.process
@pytest.mark.promise("mcp:compare")
async def test_a_rendering_is_compared_with_its_design(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        data = await called(client, "compare_images", a="design.png", b="screen.png")
        same = await called(client, "compare_images", a="design.png", b="design.png")

    assert data["changes"] == [{"change": "missing", "element": "box", "a": list(BUTTON_BOX)}]
    assert 0 < data["changed_share"] < 0.05
    assert (same["score"], same["changes"]) == (1.0, [])
    with Image.open(data["heat_map"]) as heat_map:
        assert heat_map.size == (400, 300)
    assert data["uri"].startswith("senses://images/")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"a": "design.png", "b": "beep.wav"}, "b: The image is a video or a recording"),
        ({"a": "missing.png", "b": "design.png"}, "missing.png"),
        ({"a": "design.png", "b": "screen.png", "max_tokens": 10}, "max_tokens"),
    ],
)
async def test_what_cannot_be_compared_is_refused_in_a_sentence(
    connect: Connect, arguments: dict[str, Any], words: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("compare_images", arguments)

    assert result.is_error
    assert words in text_of(result)


async def test_text_that_cannot_be_read_now_is_a_warning(
    connect: Connect, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(self: ImageMeasurer, source: object, **options: object) -> Measurement:
        return measurement(3)

    monkeypatch.setattr(ImageMeasurer, "measure", measure)
    add_reader(service)
    service.error = Busy("The queue is full.", 3.0)
    async with connect() as client:
        data = await called(client, "measure_image", image="design.png")

    assert data["warnings"] == ["The text in the image was not read: The queue is full."]
    assert len(data["elements"]) == 3


def measurement(count: int, scale: float = 1.0) -> Measurement:
    boxes = [
        Element("box", (10 * (index % 40), 10 * (index // 40), 8, 8), "#123456", parent=0) for index in range(count - 1)
    ]
    page = Element("box", (0, 0, 400, 2000), "#ffffff")
    return Measurement(400, 2000, (PaletteColor("#ffffff", 0.9),), (page, *boxes), scale=scale)


def comparison(count: int) -> Comparison:
    changes = tuple(Change("missing", "box", (0, 10 * index, 8 + index % 7, 8), None) for index in range(count))
    return Comparison((400, 300), (400, 300), (400, 300), 0.5, 0.1, changes)


@pytest.mark.promise("mcp:measure")
@pytest.mark.promise("mcp:compare")
@pytest.mark.parametrize("max_tokens", [500, 4000])
@pytest.mark.parametrize(
    "show",
    [
        lambda count, tokens: show_measurement(measurement(count), [], tokens, {}),
        lambda count, tokens: show_comparison(comparison(count), tokens, {}),
    ],
    ids=["measure", "compare"],
)
def test_a_result_holds_as_much_as_fits_and_says_what_it_omits(
    show: Callable[[int, int], MeasureResult], max_tokens: int
) -> None:
    result = show(2000, max_tokens)

    assert 0.7 * max_tokens < estimate_tokens(result.model_dump_json(exclude_none=True)) <= max_tokens
    assert result.omitted > 0
    assert show(2, max_tokens).omitted == 0


def test_the_ids_of_a_shortened_result_mean_its_own_elements() -> None:
    lines = [ImageLine(text="a", box=(0, 0, 1, 1), confidence=1.0)]
    result = show_measurement(measurement(2000), lines, 600, {})

    assert [element.id for element in result.elements] == list(range(len(result.elements)))
    assert result.elements[0].box == (0, 0, 400, 2000)
    assert {element.parent for element in result.elements[1:]} == {0}
    assert max(max(gap[:2]) for gap in result.gaps_x) < len(result.elements)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"second_size": (800, 600), "is_resized": True}, "b was resized from 800x600 to 400x300"),
        ({"second_size": (400, 250), "compared": (400, 250)}, "only the upper left 400x250 of both"),
        ({"second_size": (400, 350)}, "only the upper left 400x300 of both"),
        ({"second_size": (500, 300)}, "only the upper left 400x300 of both"),
        ({"is_noisy": True}, "those of compression or resizing"),
    ],
)
def test_a_comparison_says_how_far_its_numbers_go(changes: dict[str, Any], words: str) -> None:
    (warning,) = comparison_warnings(replace(comparison(1), **changes))

    assert words in warning


@pytest.mark.promise("mcp:region")
@pytest.mark.parametrize(
    ("task", "answer", "field", "found"),
    [
        (
            "detect",
            '[{"bbox_2d": [8, 12, 24, 36], "label": "button"}]',
            "boxes",
            [{"label": "button", "x": 28, "y": 72, "width": 16, "height": 24}],
        ),
        ("point", '[{"point_2d": [8, 12], "label": "button"}]', "points", [{"label": "button", "x": 28, "y": 72}]),
    ],
)
async def test_places_in_a_region_are_told_in_pixels_of_the_whole(
    connect: Connect, service: FakeService, task: str, answer: str, field: str, found: list[dict[str, Any]]
) -> None:
    service.answer_parts = (answer,)
    service.update_models(lambda models: [replace(model, abilities=("detect", "point")) for model in models])
    async with connect() as client:
        data = await called(client, "describe_image", image="design.png", task=task, region=list(FIRST))

    assert data[field] == found
    assert data["image"] == {"width": 400, "height": 300}
    (request,) = service.requests
    assert isinstance(request, Chat)
    seen = request.messages[0].content[0]
    assert not isinstance(seen, str)
    assert (seen.width, seen.height, bytes(seen.rgb[:3])) == (160, 100, b"\xf0\xf2\xf5")


@pytest.mark.promise("mcp:region")
@pytest.mark.parametrize("task", ["ocr", "describe"])
async def test_lines_in_a_region_are_told_in_pixels_of_the_whole(
    connect: Connect, service: FakeService, task: str
) -> None:
    add_reader(service)
    async with connect() as client:
        data = await called(
            client, "describe_image", image="design.png", task=task, include_text="always", region=list(FIRST)
        )

    (line,) = data["lines" if task == "ocr" else "text_in_image"]
    assert line["box"] == [30, 70, 150, 40]


@pytest.mark.promise("mcp:region")
@pytest.mark.parametrize(
    ("region", "words"),
    [
        ([1, 2, 3], r"\[1, 2, 3\] and must be \[x, y, width, height\]"),
        ([0, 0, 0, 5], "must be"),
        ([-1, 0, 5, 5], "must be"),
        ([380, 0, 40, 40], "the image has 400x300 pixels"),
    ],
)
async def test_a_region_that_is_none_is_refused_before_any_work(
    connect: Connect, service: FakeService, region: list[int], words: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("describe_image", {"image": "design.png", "region": region})

    assert result.is_error
    with pytest.raises(AssertionError, match=words):
        data_of(result)
    assert service.requests == []
