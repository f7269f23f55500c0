"""The folders that clients asked for and that no question could grant: the status page shows them to a person."""

from mcp_server.files.folders import FolderWish
from mcp_server.files.grants import FolderGrant, FolderGrantStore

MAX_REQUESTS = 20
"""The oldest goes for another one."""


class FolderRequests:
    """The newest requests of all clients, each once."""

    def __init__(self) -> None:
        self._requests: dict[str, FolderGrant] = {}

    def note(self, client: str, wish: FolderWish, now: float) -> None:
        """Keep a request; `now` is in seconds since the epoch."""
        request = FolderGrant(client, wish.access, wish.folder, now)
        self._requests.pop(request.id, None)
        self._requests[request.id] = request
        while len(self._requests) > MAX_REQUESTS:
            del self._requests[next(iter(self._requests))]

    def all(self) -> list[FolderGrant]:
        """Return the requests as the grants that they ask for, oldest first."""
        return list(self._requests.values())

    def take(self, request_id: str) -> FolderGrant | None:
        """Remove a request and return it; None: there is none of this id."""
        return self._requests.pop(request_id, None)


class FolderControl:
    """What the status page shows of folders, and what a person answers there. Every method blocks on the disk."""

    def __init__(self, grants: FolderGrantStore, requests: FolderRequests) -> None:
        self._grants = grants
        self._requests = requests

    def granted(self) -> list[FolderGrant]:
        """Return what is granted, oldest first."""
        return self._grants.all()

    def requested(self) -> list[FolderGrant]:
        """Return what clients asked for and nobody has answered, as the grants that they ask for."""
        granted = {grant.id for grant in self._grants.all()}
        return [request for request in self._requests.all() if request.id not in granted]

    def revoke(self, grant_id: str) -> bool:
        """Withdraw a grant; return whether there was one.

        Raises:
            OSError: its file cannot be deleted.
        """
        found = next((grant for grant in self._grants.all() if grant.id == grant_id), None)
        if found is not None:
            self._grants.revoke(found)
        return found is not None

    def answer(self, request_id: str, *, is_granted: bool) -> bool:
        """Grant or refuse a request; return whether there was one.

        Raises:
            OSError: the grant cannot be kept.
        """
        request = self._requests.take(request_id)
        if request is None:
            return False
        if is_granted:
            self._grants.add(request.client, request.access, request.folder)
        else:
            self._grants.log("refused", request.client, request.access, request.folder)
        return True
