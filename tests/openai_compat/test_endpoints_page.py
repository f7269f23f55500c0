"""docs/endpoints.md and the application agree on the endpoints."""

import re
from pathlib import Path
from typing import cast

import pytest
from starlette.routing import Route, WebSocketRoute

from mcp_server.daemon.http_server import artifact_routes
from mcp_server.files.artifacts import ArtifactStore
from model_runtime.settings import Settings
from openai_compat.app import create_app
from openai_compat.dashboard.settings import SettingsControl
from tests.fakes import FakeService

PAGE = Path(__file__).parents[2] / "docs" / "endpoints.md"
ENDPOINT = re.compile(r"`((?:GET|POST|PUT|DELETE|WebSocket) /[^`]*)`")


def served(settings: Settings) -> set[str]:
    """Every endpoint of the application, as the page writes it."""
    app = create_app(
        FakeService(),
        settings,
        live_settings=cast("SettingsControl", object()),
        extra_routes=artifact_routes(ArtifactStore(settings.folders.artifacts)),
    )
    named = [(route, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)) for route in app.routes if hasattr(route, "path")]
    http = {f"{method} {path}" for route, path in named if isinstance(route, Route) for method in route.methods or ()}
    sockets = {f"WebSocket {path}" for route, path in named if isinstance(route, WebSocketRoute)}
    return {endpoint for endpoint in http | sockets if not endpoint.startswith("HEAD ")} - {"WebSocket /{path}"}


@pytest.mark.promise("docs:endpoints")
def test_the_page_has_every_endpoint_and_no_other(settings: Settings) -> None:
    assert sorted(ENDPOINT.findall(PAGE.read_text(encoding="utf-8"))) == sorted(served(settings))
