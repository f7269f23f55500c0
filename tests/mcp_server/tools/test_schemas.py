"""What every client sees of the tools: changing it changes the product."""

import base64
import json
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from mcp import Client
from mcp_types import Tool

from mcp_server.calls.search_words import SEARCH_WORDS
from mcp_server.files.client import ClientConnection
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode, open_server
from tests.mcp_server.tools.test_tools import data_of

DECLARED_TOKENS = 3_600
"""Names, descriptions and inputs of all tools and the instructions, as they stand in every conversation."""
GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""

SIGNATURES = """
describe_image(image, prompt="", task="describe", region=[], more_images=[], include_text="auto", model="auto", max_tokens=512, keep_alive="", wait_seconds=-1)
measure_image(image, max_tokens=4000)
compare_images(a, b, max_tokens=4000)
generate_image(prompt, width=1024, height=1024, steps=0, seed=-1, count=1, candidates=0, image="", strength=0.4, model="auto", format="auto", output_path="", overwrite=false, preview="thumbnail", keep_alive="", wait_seconds=-1)
regenerate(uri, changes={})
transcribe(audio, language="", task="transcribe", model="auto", from_seconds=0.0, to_seconds=0.0, timestamps="none", format="auto", vocabulary="", output_path="", overwrite=false, keep_alive="", wait_seconds=-1)
read_transcript(uri, from_seconds=0.0, to_seconds=0.0, find="")
speak(text, voice="", speed=1.0, language="", model="auto", format="auto", play=false, output_path="", overwrite=false, keep_alive="", wait_seconds=-1)
stop_speaking()
save_media(uri, path, width=0, height=0, transparent=false, set="none", max_kb=0, overwrite=false)
media_status(section="now")
get_job(job_id, wait_seconds=45)
cancel_job(job_id)
download_model(model)
manage_model(action, model)
"""


def signature(tool: Tool) -> str:
    required = set(tool.input_schema.get("required", ()))
    parts = [
        name if name in required else f"{name}={json.dumps(facts['default'])}"
        for name, facts in tool.input_schema["properties"].items()
    ]
    return f"{tool.name}({', '.join(parts)})"


@pytest.mark.promise("mcp:tools")
async def test_the_tools_and_their_arguments(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        tools = (await client.list_tools()).tools

    assert "\n".join(signature(tool) for tool in tools) == SIGNATURES.strip()


async def test_schemas_are_flat_and_closed_so_that_every_client_can_use_them(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools

    for tool in tools:
        schema = tool.input_schema
        assert schema["additionalProperties"] is False
        assert not {"anyOf", "oneOf", "allOf", "$ref", "$defs"} & keys_of(schema), tool.name
        assert len(tool.description or "") < 1_200


@pytest.mark.promise("mcp:hints")
async def test_clients_learn_which_tools_change_files_or_reach_other_machines(
    connect: Connect, era: ProtocolMode
) -> None:
    async with connect(era) as client:
        tools = (await client.list_tools()).tools
        hints = {tool.name: tool.annotations for tool in tools}
        asking = {tool.name for tool in tools if "anthropic/requiresUserInteraction" in (tool.meta or {})}

    assert {name for name, hint in hints.items() if hint and hint.open_world_hint} == {"download_model"}
    can_replace = {tool.name for tool in tools if {"overwrite", "changes"} & set(tool.input_schema["properties"])}
    assert {name for name, hint in hints.items() if hint and hint.destructive_hint} == can_replace
    assert asking == {"download_model"}


@pytest.mark.process
@pytest.mark.promise("mcp:hints")
async def test_a_tool_that_is_said_to_read_only_leaves_no_file_behind(
    connect: Connect, project: Path, settings: Settings
) -> None:
    arguments: dict[str, dict[str, object]] = {
        "describe_image": {"image": "red.png"},
        "measure_image": {"image": "red.png"},
        "compare_images": {"a": "red.png", "b": "red.png"},
        "media_status": {},
        "transcribe": {"audio": "beep.wav"},
        "speak": {"text": "hello"},
    }
    left: set[str] = set()

    def files() -> set[Path]:
        return {path for folder in (project, settings.folders.artifacts) for path in folder.rglob("*")}

    async with connect() as client:
        read_only = {
            tool.name
            for tool in (await client.list_tools()).tools
            if tool.annotations and tool.annotations.read_only_hint
        }
        for name, given in arguments.items():
            before = files()
            data_of(await client.call_tool(name, given))
            left |= {name} if files() != before else set()

    assert left == {"compare_images", "transcribe", "speak"}
    assert not left & read_only
    assert {"describe_image", "measure_image", "media_status"} <= read_only


@pytest.mark.promise("mcp:small")
async def test_the_tools_cost_little_context(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools
        instructions = client.instructions or ""

    shown = [
        tool.model_dump(include={"name", "description", "input_schema"}, by_alias=True, exclude_none=True)
        for tool in tools
    ]
    assert gpt2_tokens(json.dumps(shown, separators=(",", ":")) + instructions) < DECLARED_TOKENS
    assert len(instructions) < 1_500


async def test_every_tool_is_found_by_words_that_cost_no_context(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools

    for tool in tools:
        words = (tool.meta or {})["anthropic/searchHint"]
        assert words == SEARCH_WORDS[tool.name]
        assert len(words) <= 4_096


def gpt2_tokens(text: str) -> int:
    """Count tokens as GPT-2 reads them, which takes more for JSON than any model in use today."""
    ranks_file = Path(str(distribution("mlx-whisper").locate_file("mlx_whisper/assets/gpt2.tiktoken")))
    lines = (line.split() for line in ranks_file.read_text().splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return len(tiktoken.Encoding("gpt2", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={}).encode(text))


def keys_of(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        return set(schema).union(*map(keys_of, schema.values()))
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    return set()


async def test_only_the_tools_the_owner_wants_are_offered(settings: Settings, service: FakeService) -> None:
    chosen = replace(settings, mcp_tools=("describe_image", "media_status"))
    async with open_server(service, chosen, ClientConnection()) as server, Client(server) as client:
        tools = (await client.list_tools()).tools

    assert [tool.name for tool in tools] == ["describe_image", "media_status"]


async def test_a_wanted_tool_that_does_not_exist_is_named(settings: Settings, service: FakeService) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with open_server(service, replace(settings, mcp_tools=("paint",)), ClientConnection()):
            pass

    assert "mcp.tools names 'paint', which does not exist. Use describe_image" in str(raised.value.exceptions[0])
