"""What a person does with models on the page: load, unload, pin, keep longer, download, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput, UnknownModel
from model_runtime.service import Service
from openai_compat.dashboard.folders import NO_STORE
from openai_compat.http.commands import CommandBody, read_command

MAX_KEPT_SECONDS = 604_800.0


class KeepCommand(CommandBody):
    """How long a model stays."""

    seconds: float = Field(ge=1, le=MAX_KEPT_SECONDS)


class ModelFilesProtocol(Protocol):
    """The files of models. Each name is one of the status."""

    async def facts(self, name: str) -> Mapping[str, Any]:
        """Return size, licence, whether it fits, and whether it can be downloaded or deleted, as JSON."""
        ...

    def download(self, name: str) -> None:
        """Begin to download a model.

        Raises:
            InvalidInput: it cannot be downloaded.
        """
        ...

    def cancel(self, name: str) -> bool:
        """End a download; return whether there was one."""
        ...

    async def delete(self, name: str, *, is_shared_agreed: bool) -> int:
        """Delete a downloaded model and return the bytes that are free again.

        Raises:
            InvalidInput: it is in use or is not downloaded, or other models need its files and that is not agreed.
        """
        ...

    async def listed(self) -> Sequence[Mapping[str, Any]]:
        """Return the downloads as JSON."""
        ...


@dataclass(frozen=True, slots=True)
class ModelActionsEndpoint:
    """The commands. With `files=None` nothing is downloaded or deleted."""

    service: Service
    files: ModelFilesProtocol | None = None

    def routes(self) -> list[Route]:
        """Return the routes."""
        model = "/api/models/{name:path}"
        return [
            Route(f"{model}/start", self.load, methods=["POST"]),
            Route(f"{model}/stop", self.unload, methods=["POST"]),
            Route(f"{model}/pin", partial(self.set_pinned, pinned=True), methods=["POST"]),
            Route(f"{model}/unpin", partial(self.set_pinned, pinned=False), methods=["POST"]),
            Route(f"{model}/keep", self.keep, methods=["POST"]),
            Route(f"{model}/download/cancel", self.cancel_download, methods=["POST"]),
            Route(f"{model}/download", self.get_facts, methods=["GET"]),
            Route(f"{model}/download", self.download, methods=["POST"]),
            Route(model, self.delete, methods=["DELETE"]),
        ]

    async def load(self, request: Request) -> Response:
        """Load a model and wait until it is ready.

        Raises:
            UnknownModel: no model has this name.
        """
        name = self._known_name(request)
        await self.service.load(name)
        return JSONResponse({"model": name})

    async def unload(self, request: Request) -> Response:
        """Unload a model after its running requests have ended, and return the bytes freed.

        Raises:
            UnknownModel: no model has this name.
        """
        name = self._known_name(request)
        return JSONResponse({"model": name, "freed_bytes": await self.service.unload(name)})

    async def set_pinned(self, request: Request, *, pinned: bool) -> Response:
        """Pin a model: exempt it from idle timeout and eviction; or unpin it.

        Raises:
            UnknownModel: no model has this name.
        """
        name = self._known_name(request)
        self.service.pin(name, pinned=pinned)
        return JSONResponse({"model": name, "pinned": pinned})

    async def keep(self, request: Request) -> Response:
        """Keep a loaded model for some time, however idle it is.

        Raises:
            UnknownModel: no model has this name.
            InvalidInput: the model is not loaded, or the time is out of range.
        """
        name = self._known_name(request)
        seconds = (await read_command(request, KeepCommand)).seconds
        if not self.service.keep(name, seconds):
            raise InvalidInput(f"{name} is not loaded. Load it first.", param="name", code="not_loaded")
        return JSONResponse({"model": name, "kept_seconds": seconds})

    async def get_facts(self, request: Request) -> Response:
        """Return what a person wants to know before a download or a deletion."""
        name = self._known_name(request)
        return JSONResponse(dict(await self._files().facts(name)), headers=NO_STORE)

    async def download(self, request: Request) -> Response:
        """Begin a download; `/api/events?follow=downloads` tells its progress."""
        name = self._known_name(request)
        self._files().download(name)
        return JSONResponse({"model": name}, 202)

    async def cancel_download(self, request: Request) -> Response:
        """End a download; complete files stay.

        Raises:
            InvalidInput: there is none.
        """
        name = self._known_name(request)
        if not self._files().cancel(name):
            raise InvalidInput(f"{name} is not being downloaded.", param="name", code="not_found")
        return JSONResponse({"model": name})

    async def delete(self, request: Request) -> Response:
        """Delete the files of a downloaded model that nobody uses."""
        name, is_agreed = self._known_name(request), request.query_params.get("shared") == "1"
        return JSONResponse(
            {"model": name, "freed_bytes": await self._files().delete(name, is_shared_agreed=is_agreed)}
        )

    def _files(self) -> ModelFilesProtocol:
        if self.files is None:
            raise InvalidInput("This server neither downloads nor deletes models.", code="not_served")
        return self.files

    def _known_name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        known = [model.name for model in self.service.status().models]
        if name not in known:
            raise UnknownModel(name, known)
        return name
