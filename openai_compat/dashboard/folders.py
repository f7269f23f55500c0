"""The folders of the status page: what clients may use, what they asked for, and a person's answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput
from openai_compat.http.errors import OriginNotAllowed

NO_STORE = {"cache-control": "no-store"}


class FolderUse(Protocol):
    """A folder that a client may use, or asks for."""

    @property
    def id(self) -> str:
        """A short name of client, access and folder."""
        ...

    @property
    def client(self) -> str:
        """The name of the client; empty: every client."""
        ...

    @property
    def access(self) -> str:
        """ "read" or "write"."""
        ...

    @property
    def folder(self) -> Path:
        """Absolute path."""
        ...

    @property
    def granted_at(self) -> float:
        """When it was granted or asked for, in seconds since the epoch."""
        ...


class FolderConsents(Protocol):
    """The folders that people granted. Every method may block on the disk."""

    def granted(self) -> Sequence[FolderUse]:
        """Return what is granted."""
        ...

    def requested(self) -> Sequence[FolderUse]:
        """Return what clients asked for and nobody has answered."""
        ...

    def revoke(self, use_id: str) -> bool:
        """Withdraw a grant; return whether there was one."""
        ...

    def answer(self, use_id: str, *, is_granted: bool) -> bool:
        """Grant or refuse a request; return whether there was one."""
        ...


@dataclass(frozen=True, slots=True)
class FoldersEndpoint:
    """Lists and commands; without `consents` nothing is listed."""

    consents: FolderConsents | None = None

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/folders", self.list_folders, methods=["GET"]),
            Route("/api/folders/{id}/revoke", self.revoke, methods=["POST"]),
            Route("/api/folders/{id}/{answer}", self.answer, methods=["POST"]),
        ]

    async def list_folders(self, request: Request) -> Response:
        """Return what is granted, and what was asked for."""
        if self.consents is None:
            return JSONResponse({"granted": [], "requested": []}, headers=NO_STORE)
        granted = await to_thread.run_sync(self.consents.granted)
        requested = await to_thread.run_sync(self.consents.requested)
        body = {"granted": list(map(_json, granted)), "requested": list(map(_json, requested))}
        return JSONResponse(body, headers=NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """Withdraw a grant.

        Raises:
            InvalidInput: there is none of this id.
        """
        use_id = request.path_params["id"]
        if self.consents is None or not await to_thread.run_sync(self.consents.revoke, use_id):
            raise InvalidInput(f"No folder is granted under {use_id}.", param="id", code="not_found")
        return JSONResponse({"id": use_id})

    async def answer(self, request: Request) -> Response:
        """Grant or refuse what a client asked for: only the page itself may, in a browser on this machine.

        Raises:
            OriginNotAllowed: the request comes from elsewhere.
            InvalidInput: nobody asked for it, the answer is unknown, or the folder cannot be granted.
        """
        if not is_page_on_this_machine(request):
            raise OriginNotAllowed(
                "Only a person can grant a folder: on the status page, in a browser on this machine."
            )
        use_id, answer = request.path_params["id"], request.path_params["answer"]
        if self.consents is None or answer not in ("grant", "refuse"):
            raise InvalidInput(f"{answer!r} is no answer; grant and refuse are.", param="answer")
        reply = partial(self.consents.answer, use_id, is_granted=answer == "grant")
        if not await to_thread.run_sync(reply):
            raise InvalidInput(f"Nobody asks for {use_id}.", param="id", code="not_found")
        return JSONResponse({"id": use_id, "granted": answer == "grant"})


def is_page_on_this_machine(request: Request) -> bool:
    """Return whether a page of this server sent the request, from this machine: browsers set the mark themselves."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    is_local = (getattr(address, "ipv4_mapped", None) or address).is_loopback
    return is_local and request.headers.get("sec-fetch-site") == "same-origin"


def _json(use: FolderUse) -> dict[str, Any]:
    return {
        "id": use.id,
        "client": use.client,
        "access": use.access,
        "folder": str(use.folder),
        "granted_at": use.granted_at,
    }
