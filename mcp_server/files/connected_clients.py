"""The clients of MCP that are connected: which folders each may use, and which files it read and wrote. In memory only."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

from anyio import to_thread

from mcp_server.files.client import ClientConnection
from mcp_server.files.grants import HTTP_CLIENTS, Access, FolderGrant, FolderGrantStore
from model_runtime.history.events import MAX_NAME_CHARS
from model_runtime.settings import Settings

MAX_FILES = 50
"""Files of one client that are remembered, the newest."""
MAX_HTTP_CLIENTS = 32
HTTP_SECONDS = 600.0
"""A client over HTTP has no connection that lasts: it counts as connected for so long after its last call."""


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file was read or written at `at`, in seconds since the epoch."""

    at: float
    access: Access
    path: str


@dataclass(frozen=True, slots=True)
class UsableFolder:
    """A folder that a client may use, because it is its own, by config.toml, or by a person's grant."""

    folder: str
    access: Access
    source: Literal["client", "settings", "granted"]
    grant_id: str | None = None


@dataclass(slots=True)
class ConnectedClient:
    """One client. Times are in seconds since the epoch."""

    id: int
    transport: Literal["stdio", "http"]
    since: float
    folders: tuple[Path, ...] = ()
    """Its own ones."""
    name: str = ""
    """What it calls itself; it is listed once it has."""
    last_call_at: float = 0.0
    files: deque[FileUse] = field(default_factory=partial(deque, maxlen=MAX_FILES))


class ConnectedClients:
    """Owns the list. `wall_clock` returns seconds since the epoch."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._ids = count(1)
        self._by_connection: dict[int, ConnectedClient] = {}
        """id() of a connection that is open → its client."""
        self._over_http: dict[str, ConnectedClient] = {}
        """Name → client, the one that called last at the end."""

    @contextmanager
    def connected(self, connection: ClientConnection) -> Generator[None]:
        """List the client of a connection for as long as it is open."""
        client = ConnectedClient(next(self._ids), "stdio", self._wall_clock(), connection.folders)
        self._by_connection[id(connection)] = client
        try:
            yield
        finally:
            del self._by_connection[id(connection)]

    def note_call(self, connection: ClientConnection, name: str) -> None:
        """Remember that a client of this name has called just now."""
        client = self._client_of(connection, name)
        if client is not None:
            client.name, client.last_call_at = name[:MAX_NAME_CHARS] or client.name, self._wall_clock()

    def note_file(self, connection: ClientConnection, name: str, access: Access, path: Path) -> None:
        """Remember that a client has read or written a file."""
        client = self._client_of(connection, name)
        if client is not None:
            client.files.appendleft(FileUse(self._wall_clock(), access, str(path)))

    def all(self) -> list[ConnectedClient]:
        """Return the clients whose names are known, the longest connected first."""
        oldest = self._wall_clock() - HTTP_SECONDS
        recent = [client for client in self._over_http.values() if client.last_call_at >= oldest]
        clients = [client for client in (*self._by_connection.values(), *recent) if client.name]
        return sorted(clients, key=lambda client: client.id)

    def _client_of(self, connection: ClientConnection, name: str) -> ConnectedClient | None:
        if not connection.over_http:
            return self._by_connection.get(id(connection))
        if not name:
            return None
        key = name[:MAX_NAME_CHARS]
        client = self._over_http.pop(key, None) or ConnectedClient(next(self._ids), "http", self._wall_clock())
        self._over_http[key] = client
        while len(self._over_http) > MAX_HTTP_CLIENTS:
            del self._over_http[next(iter(self._over_http))]
        return client


@dataclass(frozen=True, slots=True)
class ClientList:
    """The clients as JSON, with the folders that each may use at present."""

    clients: ConnectedClients
    settings: Settings

    async def listed(self) -> list[dict[str, Any]]:
        """Return the clients, the longest connected first."""
        grants = await to_thread.run_sync(FolderGrantStore(self.settings.folders).all)
        return [self._json(client, grants) for client in self.clients.all()]

    def _json(self, client: ConnectedClient, grants: Iterable[FolderGrant]) -> dict[str, Any]:
        return {
            "id": client.id,
            "name": client.name,
            "transport": client.transport,
            "since": client.since,
            "last_call_at": client.last_call_at,
            "folders": [asdict(folder) for folder in self._folders(client, grants)],
            "files": [asdict(use) for use in client.files],
        }

    def _folders(self, client: ConnectedClient, grants: Iterable[FolderGrant]) -> list[UsableFolder]:
        principal = HTTP_CLIENTS if client.transport == "http" else client.name
        return [
            *(UsableFolder(str(folder), "write", "client") for folder in client.folders),
            *(UsableFolder(str(folder), "write", "settings") for folder in self.settings.allowed_folders),
            *(
                UsableFolder(str(grant.folder), grant.access, "granted", grant.id)
                for grant in grants
                if grant.allows(principal, "read")
            ),
        ]
