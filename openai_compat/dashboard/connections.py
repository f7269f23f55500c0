"""GET /api/connections: the clients that are connected, the folders they may use, and the files they used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openai_compat.dashboard.folders import NO_STORE


class ConnectedClientsProtocol(Protocol):
    """The clients at present."""

    async def listed(self) -> Sequence[Mapping[str, Any]]:
        """Return each client as JSON: its name, transport, folders and files, never the content of one."""
        ...


class NoClients:
    """Nobody is connected."""

    async def listed(self) -> Sequence[Mapping[str, Any]]:
        """Return nothing."""
        return []


@dataclass(frozen=True, slots=True)
class ConnectionsEndpoint:
    """The endpoint."""

    clients: ConnectedClientsProtocol

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/api/connections", self.list_connections, methods=["GET"])]

    async def list_connections(self, request: Request) -> Response:
        """Return the clients."""
        return JSONResponse({"clients": list(await self.clients.listed())}, headers=NO_STORE)
