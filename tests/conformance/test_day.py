"""A whole day of work with one client after the other: nothing is refused, and nobody notices the daemon's death.

The models are the built-in ones, and the daemon is the one that the client's shim starts.
"""

import json
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.client.stdio import StdioServerParameters
from mcp_types import ElicitRequestParams, ElicitResult

from mcp_server.client_setup.config_files import shim_command
from tests.conformance.claude_code import ClaudeCode
from tests.conformance.conftest import MODULES, NpmTools
from tests.conformance.day import Step, Structured, day, filled, kill_daemon, prepare_home, write_meeting
from tests.conformance.messages_api import ScriptedCall, structured
from tests.conformance.terminal import DOWN, ENTER, RIGHT
from tests.mcp_server.launcher.test_shim import Instance

pytestmark = pytest.mark.timeout(400)

CallTool = Callable[[str, dict[str, Any]], Awaitable[tuple[bool, Structured]]]
"""call(tool, arguments) returns whether the result is an error, and its structured data or the error's text."""
THIS_FOLDER = {"allow": "this folder"}
CONSENT_IN_A_TERMINAL = [("Let Claude Code", RIGHT), ("this folder", DOWN + ENTER), ("✔ Allow: this folder", ENTER)]
"""What is on the screen, and the keys of someone who allows the folder."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with a screenshot on the Desktop, and with the recording of a long meeting in the project."""

    home: Path
    instance: Instance

    @property
    def project(self) -> Path:
        """Where the client is started."""
        return self.home / "project"

    @property
    def environ(self) -> dict[str, str]:
        """What the client is started with; a program that plays sound is on the PATH."""
        path = f"{self.home / 'bin'}:{self.instance.environ['PATH']}"
        return {**self.instance.environ, "HOME": str(self.home), "PATH": path}


@pytest.fixture
async def person(tmp_path: Path) -> AsyncGenerator[Person]:
    """A person, whose daemon is ended with the test."""
    prepare_home(tmp_path)
    made = Person(tmp_path, Instance(tmp_path / "senses"))
    try:
        async with python_client(made, "auto") as call:
            for text, name in (("a red circle", "often.wav"), ("three blue squares", "once.wav")):
                await call("speak", {"text": text, "output_path": name})
        await anyio.to_thread.run_sync(write_meeting, made.project)
        yield made
    finally:
        made.instance.end()


async def spend(person: Person, call: CallTool) -> None:
    """Make every call of the day; each must be answered with what was asked for."""
    results: list[Structured] = []
    for step in day(person.home):
        if step.kills_daemon_before:
            kill_daemon(person.environ)
        is_error, told = await call(step.tool, filled(step.arguments, results))
        assert not is_error, (step.wish, told)
        require_met(step, told)
        results.append(told)


def require_met(step: Step, told: Structured) -> None:
    """Assert that a result has what a step asks for."""
    assert told, step.wish
    assert step.is_met(told), (step.wish, told)


@asynccontextmanager
async def python_client(person: Person, mode: Literal["auto", "legacy"]) -> AsyncGenerator[CallTool]:
    """The official client for Python, whose user consents."""

    async def consent(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content=dict(THIS_FOLDER))

    server = StdioServerParameters(command=shim_command(), env=person.environ, cwd=person.project)
    async with Client(server, mode=mode, elicitation_callback=consent, read_timeout_seconds=300) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[bool, Structured]:
            result = await client.call_tool(tool, arguments)
            return bool(result.is_error), result.structured_content or {"error": str(result.content)}

        yield call


@pytest.mark.promise("clients:a-day")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_day_with_the_official_python_client(person: Person, mode: Literal["auto", "legacy"]) -> None:
    async with python_client(person, mode) as call:
        await spend(person, call)


@pytest.mark.promise("clients:a-day")
async def test_a_day_with_the_official_typescript_client(person: Person, tools: NpmTools) -> None:
    environ = {**person.environ, "NODE_MODULES": str(MODULES), "ANSWER": json.dumps(THIS_FOLDER)}
    command = [tools.node, str(Path(__file__).with_name("typescript_client.mjs")), shim_command()]
    async with await anyio.open_process(command, env=environ, cwd=person.project, stderr=sys.stderr) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = BufferedByteReceiveStream(process.stdout)

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[bool, Structured]:
            assert process.stdin is not None
            await process.stdin.send(json.dumps({"tool": tool, "arguments": arguments}).encode() + b"\n")
            result = json.loads(await lines.receive_until(b"\n", 4_000_000))
            return bool(result.get("isError")), result.get("structuredContent") or result

        await spend(person, call)
        await process.stdin.aclose()


@pytest.mark.promise("clients:a-day")
async def test_a_day_with_the_inspector_whose_user_types_the_command_of_the_one_refusal(
    person: Person, tools: NpmTools
) -> None:
    granted: list[str] = []

    async def call(tool: str, arguments: dict[str, Any]) -> tuple[bool, Structured]:
        told = await anyio.to_thread.run_sync(inspect, person, tools, tool, arguments)
        command = re.search("`([^`]* folders add [^`]+)`", str(told))
        if told.get("isError") and command:
            granted.append(command[1])
            await anyio.run_process(["sh", "-c", command[1]], env=person.environ)
            told = await anyio.to_thread.run_sync(inspect, person, tools, tool, arguments)
        return bool(told.get("isError")), told.get("structuredContent") or told

    await spend(person, call)

    assert len(granted) == 1
    assert f"folders add {person.home / 'Desktop'}" in granted[0]


def inspect(person: Person, tools: NpmTools, tool: str, arguments: Mapping[str, Any]) -> Structured:
    """Call a tool with the inspector, each time in a session of its own."""
    environ = [option for name, value in person.environ.items() for option in ("-e", f"{name}={value}")]
    given = [option for name, value in arguments.items() for option in ("--tool-arg", f"{name}={json.dumps(value)}")]
    inspector = [*tools.command("@modelcontextprotocol/inspector", "mcp-inspector"), "--cli", "--format", "json"]
    options = ["--cwd", str(person.project), "--connect-timeout", "60000", *environ, shim_command()]
    method = ["--method", "tools/call", "--tool-name", tool, *given]
    ran = subprocess.run(
        [*inspector, *options, *method], check=False, capture_output=True, text=True, timeout=200, env=person.environ
    )
    result: Structured = json.loads(ran.stdout)["result"]
    return result


@pytest.mark.promise("clients:a-day")
async def test_a_day_with_claude_code_in_a_terminal(claude_code: list[str], person: Person) -> None:
    claude, steps = ClaudeCode(claude_code, person.home, person.instance), day(person.home)
    claude.settle(person.project, shim_command(), person.environ)
    script = list(map(scripted, steps))

    told = await anyio.to_thread.run_sync(
        claude.work_in_terminal, script, CONSENT_IN_A_TERMINAL, person.project, person.environ
    )

    assert [block for block in told if block.get("is_error")] == []
    for step, block in zip(steps, told, strict=True):
        require_met(step, structured(block))


def scripted(step: Step) -> ScriptedCall:
    """Return a step as the stand-in for Claude's model makes it."""
    name, arguments = f"mcp__senses__{step.tool}", dict(step.arguments)
    if step.kills_daemon_before:
        return name, arguments, [sys.executable, "-m", "tests.conformance.day"]
    return name, arguments
