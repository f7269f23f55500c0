"""The folders that clients asked for and that no question could grant: the status page shows them to a person."""

from mcp_server.files.allowed_paths import FolderWish
from mcp_server.files.grants import Grant

MAX_REQUESTS = 20
"""The oldest goes for another one."""


class FolderRequests:
    """The newest requests of all clients, each once."""

    def __init__(self) -> None:
        self._requests: dict[str, Grant] = {}

    def note(self, client: str, wish: FolderWish, now: float) -> None:
        """Keep a request; `now` is in seconds since the epoch."""
        request = Grant(client, wish.access, wish.folder, now)
        self._requests.pop(request.id, None)
        self._requests[request.id] = request
        while len(self._requests) > MAX_REQUESTS:
            del self._requests[next(iter(self._requests))]

    def all(self) -> list[Grant]:
        """Return the requests as the grants that they ask for, oldest first."""
        return list(self._requests.values())

    def take(self, request_id: str) -> Grant | None:
        """Remove a request and return it; None: there is none of this id."""
        return self._requests.pop(request_id, None)
