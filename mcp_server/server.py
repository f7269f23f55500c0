"""The MCP server: the four media tools, their helpers, resources and prompts over one shared runtime."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server import MCPServer
from mcp.server.caching import CacheHint
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp_types import CallToolResult, InputRequiredResult, Resource
from pydantic import ValidationError

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import Desk, sentence
from mcp_server.calls.downloads import Downloader, download
from mcp_server.calls.jobs import Jobs
from mcp_server.calls.player import Player
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.client import Caller
from mcp_server.launcher.paths import VERSION
from mcp_server.prompts import add_prompts
from mcp_server.resources import Announcer, add_resources
from mcp_server.tools.describe_image import add_describe_image
from mcp_server.tools.generate_image import add_generate_image
from mcp_server.tools.manage import add_control
from mcp_server.tools.save_media import add_save_media
from mcp_server.tools.speak import add_speak
from mcp_server.tools.transcribe import add_transcribe
from mcp_server.viewer.offer import only_where_shown, viewer
from model_runtime.errors import InvalidInput
from model_runtime.formats.fetch import PUBLIC_WEB, Fetcher
from model_runtime.formats.validation_errors import invalid_field
from model_runtime.service import Service
from model_runtime.settings import Settings, SettingsError

INSTRUCTIONS = (
    "Local, private media tools on this machine: look at images (describe_image), draw them (generate_image), write "
    "down speech (transcribe) and speak (speak). Pass file paths, not base64. Results are saved: tell the user the "
    'path. A result with status "running" has a job_id: call get_job until it is done. The first call of a model loads '
    "it, which can take a minute; media_status shows models, voices and what is running. A result marked starter comes "
    "from a tiny built-in model that knows only a toy world: say so."
)


class SensesServer(MCPServer[Caller]):
    """An `MCPServer` whose refusals are sentences and whose list of resources ends with the newest results."""

    def __init__(self, desk: Desk, bus: InMemorySubscriptionBus, caller: Caller) -> None:
        @asynccontextmanager
        async def lifespan(server: MCPServer[Caller]) -> AsyncGenerator[Caller]:
            yield caller

        sdk_compat.leave_logging_alone()
        super().__init__(
            "senses",
            title="Senses",
            version=VERSION,
            instructions=INSTRUCTIONS,
            lifespan=lifespan,
            subscriptions=bus,
            extensions=[viewer()],
            middleware=[only_where_shown],
            cache_hints={"resources/read": CacheHint(ttl_ms=1000), "resources/list": CacheHint(ttl_ms=1000)},
        )
        self.desk = desk

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Caller, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; what fails as expected is told in our own sentence, not in the SDK's and pydantic's."""
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                known = sdk_compat.argument_names(self, name)
                raise ToolError(sentence(bad_argument(error.__cause__, known))) from error.__cause__
            raise ToolError(str(error).removeprefix(f"Error executing tool {name}: ")) from error

    async def list_resources(self) -> list[Resource]:
        """Return the fixed resources, then the last results."""
        results = [
            Resource(name=artifact.path.name, uri=artifact.uri, mime_type=artifact.mime_type, size=artifact.size_bytes)
            for artifact in await anyio.to_thread.run_sync(self.desk.artifacts.recent)
        ]
        return [*await super().list_resources(), *results]


def bad_argument(error: ValidationError, known: Sequence[str]) -> InvalidInput:
    """Say what is wrong with a tool's arguments: one that it does not have, or a value it cannot use."""
    for found in error.errors(include_url=False):
        if found["type"] == "extra_forbidden":
            name = str(found["loc"][0])
            return InvalidInput(f"There is no argument {name!r}; there are {', '.join(known)}.", param=name)
    return invalid_field(error)


def offer_only(server: MCPServer[Caller], wanted: Sequence[str]) -> None:
    """Take away every tool that is not among `wanted`; none wanted means all.

    Raises:
        SettingsError: a wanted tool does not exist.
    """
    known = sdk_compat.tool_names(server)
    for name in wanted:
        if name not in known:
            raise SettingsError(f"mcp.tools names {name!r}; there are {', '.join(known)}.")
    for name in known:
        if wanted and name not in wanted:
            server.remove_tool(name)


def create_server(
    service: Service,
    settings: Settings,
    artifacts: ArtifactStore,
    tasks: TaskGroup,
    *,
    address: str = "",
    caller: Caller | None = None,
    fetcher: Fetcher = PUBLIC_WEB,
    downloader: Downloader = download,
) -> SensesServer:
    """Build the server. Jobs and announcements run in `tasks` until it is cancelled.

    `address` is the HTTP origin that serves artifacts, empty for none. `caller` is what connections that bring no
    folders of their own (HTTP, in memory) may reach. `fetcher` is the way to the web, where the settings allow it;
    `downloader` is the way of models to this disk.

    Raises:
        SettingsError: the settings name a tool that does not exist.
    """
    desk = Desk(service, settings, artifacts, Jobs(tasks), Player(tasks), address, fetcher, downloader)
    bus = InMemorySubscriptionBus()
    server = SensesServer(desk, bus, caller or Caller())
    for add in (add_describe_image, add_generate_image, add_transcribe, add_speak, add_save_media, add_control):
        add(server, desk)
    offer_only(server, settings.tools)
    sdk_compat.close_schemas(server)
    add_resources(server, desk)
    add_prompts(server, desk)
    announcer = Announcer(bus, sdk_compat.LegacySubscribers(server), desk)
    tasks.start_soon(announcer.follow_runtime)
    tasks.start_soon(announcer.follow_artifacts)
    return server
