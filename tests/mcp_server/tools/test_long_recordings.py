"""A recording of more than an hour: heard in parts, kept whole, read by pages, searched; its subtitles stay valid."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import TextResourceContents

from mcp_server.calls.results import CLIENTS_OF_LONG_TEXTS
from mcp_server.calls.transcript_pages import TranscriptPage
from mcp_server.resources import resource_page
from mcp_server.tools.transcribe import rest_text
from model_runtime.events import Segment
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.requests import Transcribe
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_tools import data_of, file_of, text_of

SEGMENT_COUNT = 1_050
"""Of four seconds: 70 minutes."""


@pytest.fixture(autouse=True)
def meeting(service: FakeService) -> None:
    """A meeting of 70 minutes."""
    sentence = " and then we went on to speak about the number {} of our long agenda, slowly and with all its details."
    service.segments = tuple(
        Segment(number, number * 4.0, number * 4.0 + 4, sentence.format(number)) for number in range(SEGMENT_COUNT)
    )


async def read_all(client: Client, uri: str, **arguments: Any) -> list[str]:
    """Read page after page and return the lines."""
    lines: list[str] = []
    following: float | None = arguments.pop("from_seconds", 0.0)
    while following is not None:
        arguments["from_seconds"] = following
        page = data_of(await client.call_tool("read_transcript", {"uri": uri, **arguments}))
        lines += page["text"].splitlines()
        following = page.get("next_from_seconds")
    return lines


async def read_resource(client: Client, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


@pytest.mark.promise("mcp:long-recordings")
async def test_an_answer_says_how_many_segments_there_are_and_the_rest_is_read_by_a_tool(
    connect: Connect, era: ProtocolMode
) -> None:
    async with connect(era) as client:
        data = data_of(await client.call_tool("transcribe", {"audio": "beep.wav", "timestamps": "segment"}))
        rest = await read_all(client, data["uri"], from_seconds=data["next_from_seconds"])

    assert (data["truncated"], data["segment_count"]) == (True, SEGMENT_COUNT)
    assert len(data["segments"]) + len(rest) == SEGMENT_COUNT
    assert rest[-1].startswith("[1:09:56] and then we went on to speak about the number 1049")
    assert data["warnings"][0].startswith(f"This answer has the first {len(data['segments'])} of 1050 segments.")
    assert f'read_transcript(uri="{data["uri"]}", from_seconds={data["next_from_seconds"]})' in data["warnings"][0]


@pytest.mark.promise("mcp:long-recordings")
async def test_a_client_that_takes_long_results_gets_the_whole_text_at_once(connect: Connect) -> None:
    (name,) = CLIENTS_OF_LONG_TEXTS
    async with connect(name=name) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        result = await client.call_tool("transcribe", {"audio": "beep.wav"})

    data = data_of(result)
    assert (data["truncated"], data["segment_count"]) == (False, SEGMENT_COUNT)
    assert data["text"] + "\n" == file_of(data).read_text()
    for tool in (tools["transcribe"], tools["get_job"]):
        assert tool.meta is not None
        assert len(text_of(result)) < tool.meta["anthropic/maxResultSizeChars"] <= 500_000


@pytest.mark.promise("mcp:long-recordings")
async def test_a_transcript_is_searched_by_words_and_time(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        data = data_of(await client.call_tool("transcribe", {"audio": "beep.wav"}))
        found = data_of(await client.call_tool("read_transcript", {"uri": data["uri"], "find": "NUMBER 77 of"}))
        minute = await read_all(client, data["uri"], from_seconds=60, to_seconds=68)
        nothing = data_of(await client.call_tool("read_transcript", {"uri": data["uri"], "find": "dinosaur"}))

    assert (found["segments_found"], found["segment_count"]) == (1, SEGMENT_COUNT)
    assert found["text"].startswith("[0:05:08] and then we went on to speak about the number 77 of")
    assert [line[:9] for line in minute] == ["[0:01:00]", "[0:01:04]"]
    assert (nothing["text"], nothing["segments_found"]) == ("", 0)


@pytest.mark.promise("mcp:long-recordings")
async def test_a_transcript_is_a_resource_with_pages_search_and_times(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        uri = data_of(await client.call_tool("transcribe", {"audio": "beep.wav"}))["uri"]
        address = uri.replace("transcripts", "transcript")
        templates = [template.uri_template for template in (await client.list_resource_templates()).resource_templates]
        page = await read_resource(client, address)
        (following,) = re.findall(r"Next page: (\S+)", page)
        second_page = await read_resource(client, following)
        found = await read_resource(client, f"{address}?find=number%2077%20of&to=400&from=4.5")
        with pytest.raises(MCPError, match="from is 'soon'; give seconds from the start"):
            await client.read_resource(f"{address}?from=soon")

    assert "senses://transcript/{name}{?from,to,find}" in templates
    lines, more_lines = page.splitlines()[1:], second_page.splitlines()[1:]  # after the label of the fence
    count = len(lines) - 3
    assert f"{count} of 1050 segments found, 1050 in all." in page
    assert more_lines[0].endswith(
        lines[count - 1].split("number")[0].split("] ")[1]
        + (f"number {count} of our long agenda, slowly and with all its details.")
    )
    assert found.splitlines()[1].startswith("[0:05:08]")
    assert found.splitlines()[-1] == "1 of 1 segments found, 1050 in all."


@pytest.mark.process
@pytest.mark.promise("mcp:long-recordings")
async def test_a_part_of_a_recording_is_heard_alone_with_the_times_of_the_whole(
    connect: Connect, service: FakeService, project: Path
) -> None:
    service.segments = (Segment(0, 0.0, 1.5, " a red circle"),)
    (project / "long.wav").write_bytes(encode_speech(b"\x00\x10" * 16_000 * 90, 16_000, "wav"))
    part = {"audio": "long.wav", "from_seconds": 62.5, "to_seconds": 70, "timestamps": "segment"}
    async with connect() as client:
        data = data_of(await client.call_tool("transcribe", part))
        subtitles = data_of(await client.call_tool("transcribe", part | {"format": "srt"}))

    assert [request.audio.duration_seconds for request in service.requests if isinstance(request, Transcribe)] == [
        7.5,
        7.5,
    ]
    assert data["segments"] == [{"start": 62.5, "end": 64.0, "text": "a red circle"}]
    assert data["duration"] == 7.5
    assert file_of(subtitles).read_text() == "1\n00:01:02,500 --> 00:01:04,000\na red circle\n"


@pytest.mark.promise("mcp:long-recordings")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"from_seconds": 9, "to_seconds": 9}, "to_seconds is 9, not after from_seconds, 9."),
        ({"from_seconds": -1}, "from_seconds is -1: input should be greater than or equal to 0."),
        ({"from_seconds": 5}, "The recording has only 1.0 s; the part that is wanted begins at 5 s."),
    ],
)
async def test_a_part_that_does_not_exist_is_refused_before_any_work(
    connect: Connect, service: FakeService, arguments: dict[str, float], message: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("transcribe", {"audio": "beep.wav", **arguments})

    assert text_of(result).startswith(message)
    assert service.requests == []


def test_the_address_of_the_next_page_has_its_time_to_the_hundredth() -> None:
    page = TranscriptPage((), 1, 12_345.67)

    text = resource_page("id", {"find": "a b", "from": "3"}, (), page)

    assert text.endswith("Next page: senses://transcript/id?find=a%20b&from=12345.67")


def test_an_answer_that_alone_holds_the_text_says_from_where_to_hear_the_rest() -> None:
    assert rest_text(3, 9, 12.5, None) == (
        "This answer has the first 3 of 9 segments. Call transcribe with from_seconds=12.5 for the rest."
    )


async def test_subtitles_of_70_minutes_are_whole_and_in_order(connect: Connect) -> None:
    async with connect() as client:
        data = data_of(await client.call_tool("transcribe", {"audio": "beep.wav", "format": "vtt"}))

    cues = re.findall(r"(\d\d:\d\d:\d\d\.\d{3}) --> (\d\d:\d\d:\d\d\.\d{3})\n(.+)", file_of(data).read_text())
    assert len(cues) == SEGMENT_COUNT
    assert cues[-1][:2] == ("01:09:56.000", "01:10:00.000")
    assert [start for start, _, _ in cues] == sorted(start for start, _, _ in cues)


async def test_what_is_no_transcript_or_has_no_times_is_refused_with_what_to_do(connect: Connect) -> None:
    async with connect() as client:
        speech = data_of(await client.call_tool("speak", {"text": "x"}))
        transcript = data_of(await client.call_tool("transcribe", {"audio": "beep.wav"}))
        file_of(transcript).with_suffix(".json").unlink()
        no_transcript = await client.call_tool("read_transcript", {"uri": speech["uri"]})
        old = await client.call_tool("read_transcript", {"uri": transcript["uri"]})
        file_of(transcript).with_suffix(".json").write_text(json.dumps({"text": "x"}))
        damaged = await client.call_tool("read_transcript", {"uri": transcript["uri"]})

    assert "is no transcript; pass the uri of a result of transcribe" in text_of(no_transcript)
    assert f"Read the file {transcript['path']}, or transcribe again." in text_of(old)
    assert "its JSON file is damaged" in text_of(damaged)
