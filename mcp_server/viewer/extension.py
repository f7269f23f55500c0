"""The viewer as an MCP extension, listed only for clients that can show it."""

from typing import Any

from mcp.server.apps import Apps, client_supports_apps
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from mcp_server.viewer.page import VIEWER_URI, viewer_document


def viewer_extension() -> Apps:
    """Return the extension; it requests no network, no permissions and no border."""
    apps = Apps()
    apps.add_html_resource(
        VIEWER_URI,
        viewer_document(),
        name="viewer",
        title="Senses",
        description="Shows results in the chat",
        prefers_border=False,
    )
    return apps


async def hide_viewer_where_unsupported(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Remove the viewer from the lists of tools and resources for a client that cannot show it."""
    result = await call_next(ctx)
    if not isinstance(result, dict) or client_supports_apps(ctx):
        return result
    if ctx.method == "resources/list":
        return result | {"resources": [resource for resource in result["resources"] if resource["uri"] != VIEWER_URI]}
    if ctx.method == "tools/list":
        return result | {"tools": [_without_viewer(tool) for tool in result["tools"]]}
    return result


def _without_viewer(tool: dict[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in tool.get("_meta", {}).items() if name != "ui"}
    fields = {name: value for name, value in tool.items() if name != "_meta"}
    return fields | ({"_meta": meta} if meta else {})
