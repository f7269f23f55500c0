"""Arguments as models guess them are understood where they have one meaning, and refused where they have none or two."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult

from mcp_server.calls.argument_guesses import (
    FILE_GUESSES,
    GUESSES,
    UnderstoodArguments,
    meanings,
    understand_arguments,
)
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_tools import data_of, text_of

IMAGES = {
    "properties": {"image": {"type": "string"}, "more_images": {"type": "array"}, "prompt": {"type": "string"}},
    "required": ["image"],
}


async def called(connect: Connect, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    async with connect() as client:
        result: CallToolResult = await client.call_tool(tool, arguments)
    return result


@pytest.mark.promise("mcp:guessed-arguments")
async def test_the_picture_is_understood_by_any_name_and_its_true_name_is_told(
    connect: Connect, era: ProtocolMode
) -> None:
    names = ["path", "file", "image_path", "filePath", "file-path", "Image", "url", "screenshot"]
    async with connect(era) as client:
        told = {name: data_of(await client.call_tool("describe_image", {name: "red.png"})) for name in names}

    for name, data in told.items():
        assert data["text"] == "A red circle on a white background."
        assert data["warnings"][-1] == f"{name!r} was taken for image: that is its name."


@pytest.mark.promise("mcp:guessed-arguments")
@pytest.mark.parametrize(
    ("given", "notes"),
    [
        ("@red.png", ('image "@red.png" was read as "red.png".',)),
        ('@"red.png"', ('image "@\\"red.png\\"" was read as "red.png".',)),
        (["red.png"], ()),
        ('["red.png"]', ()),
        (["@red.png"], ('image ["@red.png"] was read as "red.png".',)),
        (r"red\.png", ()),
    ],
)
def test_a_path_is_read_as_chats_and_lists_write_it(given: object, notes: tuple[str, ...]) -> None:
    understood = understand_arguments({"image": given}, IMAGES)

    assert understood.arguments == {"image": "red.png" if given != r"red\.png" else given}
    assert understood.notes == notes


def test_a_path_is_read_as_a_terminal_writes_it_when_a_file_is_dragged_there() -> None:
    understood = understand_arguments({"image": r"Screen\ Shot\ \(2\).png"}, IMAGES)

    assert understood.arguments == {"image": "Screen Shot (2).png"}


@pytest.mark.parametrize(
    "given",
    [
        {"images": ["red.png", "beep.png"]},
        {"image": ["red.png", "beep.png"]},
        {"images": '["red.png", "beep.png"]'},
        {"image": "red.png", "other_images": "beep.png"},
        {"image": "red.png", "more_images": '["beep.png"]'},
    ],
    ids=str,
)
def test_several_pictures_are_one_and_more(given: dict[str, Any]) -> None:
    understood = understand_arguments(given, IMAGES)

    assert understood.arguments == {"image": "red.png", "more_images": ["beep.png"]}


@pytest.mark.parametrize(
    "given",
    [{"images": ["@x.png", "y.png"]}, {"before": "x.png", "after": "y.png"}, {"image1": "x.png", "image2": "y.png"}],
    ids=str,
)
def test_two_pictures_that_are_compared_have_an_order(given: dict[str, Any]) -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]}

    assert understand_arguments(given, schema).arguments == {"a": "x.png", "b": "y.png"}
    assert "c" not in understand_arguments({"images": ["x", "y", "z"]}, schema).arguments


@pytest.mark.parametrize("given", ["256x128", "256×128", "256 * 128", "256px x 128px", [256, 128]], ids=str)
def test_a_size_is_width_and_height(given: object) -> None:
    schema = {"properties": {"width": {"type": "integer"}, "height": {"type": "integer"}}}

    understood = understand_arguments({"size": given}, schema)

    assert understood.arguments == {"width": 256, "height": 128}
    assert understood.notes == ("'size' was taken for width and height: that is its name.",)


CALLS: list[tuple[str, dict[str, Any], str, object]] = [
    ("generate_image", {"description": "a fox", "size": 256}, "prompt", "a fox"),
    ("generate_image", {"prompt": "a fox", "n": "1", "width": 256, "height": 256, "seed": None}, "steps", 0),
    ("generate_image", {"prompt": "a fox", "size": 128, "numInferenceSteps": 3}, "steps", 3),
    ("speak", {"input": "hello"}, "text", "hello"),
    ("speak", {"text": "hello", "language": "English"}, "language", "English"),
    ("speak", {"text": "hello", "voice_name": "otto", "speed": ""}, "voice", "otto"),
    ("transcribe", {"audio_path": "beep.wav", "language": "English"}, "language", "en"),
    ("transcribe", {"file": "@beep.wav", "lang": "ko-KR"}, "language", "ko"),
    ("transcribe", {"recording": "beep.wav", "task": "Translate"}, "translate", True),
    ("describe_image", {"file": "red.png", "maxTokens": 7}, "max_tokens", 7),
]


@pytest.mark.promise("mcp:guessed-arguments")
async def test_what_models_call_it_reaches_the_runtime_as_it_is_meant(connect: Connect, service: FakeService) -> None:
    async with connect() as client:
        for tool, given, _, _ in CALLS:
            data_of(await client.call_tool(tool, given))

    meant = [getattr(request, argument) for request, (_, _, argument, _) in zip(service.requests, CALLS, strict=True)]
    assert meant == [value for _, _, _, value in CALLS]


async def test_where_a_file_is_read_a_file_is_that_and_where_none_is_read_it_is_the_one_that_is_written(
    connect: Connect,
) -> None:
    drawn = data_of(await called(connect, "generate_image", {"prompt": "a fox", "size": 128, "path": "fox.JPG"}))
    written = data_of(await called(connect, "transcribe", {"audio": "beep.wav", "file": "said.txt"}))
    saved = data_of(await called(connect, "save_media", {"image": drawn["images"][0]["uri"], "filename": "again.png"}))

    assert drawn["images"][0]["path"].endswith("/fox.JPG")
    assert written["path"].endswith("/said.txt")
    assert saved["path"].endswith("/again.png")


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("describe_image", {"image": "red.png", "path": "red.png"}, "There is no argument 'path'; there are image,"),
    ("describe_image", {"image": "red.png", "promt": "?"}, "There is no argument 'promt'; did you mean prompt?"),
    ("generate_image", {"prompt": "a", "image_path": "a.png"}, "did you mean image or output_path?"),
    ("generate_image", {"prompt": "a", "size": "huge"}, "There is no argument 'size'; "),
    ("generate_image", {"prompt": "a", "size": "64x64", "width": 64}, "There is no argument 'size'; "),
    ("describe_image", {"image": 5}, "image"),
    ("describe_image", {"image": "red.png", "more_images": 5}, "more_images"),
    ("describe_image", {"image": "red.png", "task": {"a": 1}}, "task"),
]


async def test_what_has_no_meaning_or_two_is_refused_with_the_nearest_name(
    connect: Connect, service: FakeService
) -> None:
    async with connect() as client:
        refused = [await client.call_tool(tool, given) for tool, given, _ in REFUSED]

    for result, (_, _, message) in zip(refused, REFUSED, strict=True):
        assert result.is_error
        assert message in text_of(result)
    assert service.requests == []


async def test_an_error_tells_the_true_name_as_well(connect: Connect) -> None:
    failed = await called(connect, "describe_image", {"path": "@missing.png"})

    assert failed.is_error
    assert "'path' was taken for image" in text_of(failed)
    assert 'image "@missing.png" was read as "missing.png".' in text_of(failed)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HOSTILE = st.sampled_from(
    ["[" * 100_000, "9" * 5_000 + "x1", " " * 100_000 + "x", "[1e9999]", "@", '@"', "\\", "\ud800"]
)
SCHEMA = {
    "properties": {
        "image": {"type": "string"},
        "more_images": {"type": "array"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "format": {"type": "string", "enum": ["auto", "png"]},
        "output_path": {"type": "string"},
    }
}


@given(st.dictionaries(st.sampled_from([*GUESSES, *FILE_GUESSES, "size", "images", "x"]), JSON_VALUES | HOSTILE))
def test_no_argument_whatever_it_holds_breaks_the_table(given_arguments: dict[str, Any]) -> None:
    understood = understand_arguments(given_arguments, SCHEMA)

    unknown = understood.arguments.keys() - SCHEMA["properties"].keys()
    assert unknown <= given_arguments.keys()  # they are refused by their own names


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "image": st.from_regex(r"[a-z/~][a-z0-9 ./]{0,20}", fullmatch=True),
            "more_images": st.lists(st.from_regex(r"[a-z/~][a-z0-9 ./]{0,20}", fullmatch=True), max_size=3),
            "width": st.integers(),
            "format": st.sampled_from(["auto", "png"]),
        },
    )
)
def test_arguments_that_are_right_stay_as_they_are(right: dict[str, Any]) -> None:
    assert understand_arguments(right, SCHEMA) == UnderstoodArguments(right)


async def test_every_guess_has_at_most_one_meaning_in_each_tool_but_those_that_are_listed(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools
    names = {name for guesses in GUESSES.values() for name in guesses} | FILE_GUESSES

    ambiguous = {
        (tool.name, name): found
        for tool in tools
        for name in names - tool.input_schema["properties"].keys()
        if len(found := meanings(name, (), tool.input_schema)) > 1
    }

    assert ambiguous == {
        ("generate_image", "image_path"): ["image", "output_path"],
    }
