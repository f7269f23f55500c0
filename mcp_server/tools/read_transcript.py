"""read_transcript: read or search a saved transcript in pages, for clients whose models cannot read resources."""

from math import inf
from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls.context import AppContext, FromSeconds, ToolContext, ToSeconds
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import TranscriptPageResult
from mcp_server.calls.results import build_result
from mcp_server.calls.transcript_formats import load_transcript
from mcp_server.calls.transcript_pages import TranscriptQuery, find_page
from mcp_server.files.artifacts import ArtifactKind
from mcp_server.files.client import ClientConnection
from model_runtime.errors import InvalidInput


def add_read_transcript(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tool."""

    @tool(server, title="Read a transcript", read_only=True)
    async def read_transcript(
        ctx: ToolContext,
        uri: Annotated[str, Field(description="From a result of transcribe")],
        from_seconds: FromSeconds = 0.0,
        to_seconds: ToSeconds = 0.0,
        find: Annotated[str, Field(description="Only what has these words in this order", max_length=200)] = "",
    ) -> CallToolResult:
        """Read or search the transcript of a recording or meeting, page by page with times."""
        artifact = await app.files(ctx).artifact_at(uri)
        if artifact.kind is not ArtifactKind.TRANSCRIPTS:
            raise InvalidInput(f"{uri} is no transcript; pass the uri of a result of transcribe.")
        transcript = await anyio.to_thread.run_sync(load_transcript, artifact)
        page = find_page(transcript.segments, TranscriptQuery(from_seconds, to_seconds or inf, find))
        following = {} if page.next_from_seconds is None else {"next_from_seconds": page.next_from_seconds}
        return build_result(
            TranscriptPageResult.model_validate(
                {
                    "text": page.text,
                    "segments_here": len(page.segments),
                    "segments_found": page.found_count,
                    **following,
                    "segment_count": len(transcript.segments),
                    "language": transcript.language,
                    "uri": artifact.uri,
                }
            )
        )
