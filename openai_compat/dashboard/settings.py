"""The settings on the page: all of them, and changes of those that need no restart and give nobody more rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openai_compat.dashboard.folders import NO_STORE
from openai_compat.http.commands import CommandBody, read_command


class ChangeCommand(CommandBody):
    """A new value, as config.toml would hold it."""

    value: bool | int | float | str | list[str]


class SettingsControl(Protocol):
    """The settings in force, and config.toml."""

    @property
    def file(self) -> Path:
        """The path of config.toml."""
        ...

    @property
    def error(self) -> str:
        """Why config.toml cannot be used at present; "" if it can."""
        ...

    async def listed(self) -> Sequence[Mapping[str, Any]]:
        """Return every setting as JSON."""
        ...

    async def change(self, key: str, value: Any) -> Mapping[str, Any]:
        """Change a setting and return it as JSON.

        Raises:
            InvalidInput: there is no such setting, it cannot be changed, or the value is not accepted.
        """
        ...

    async def reset(self, key: str) -> Mapping[str, Any]:
        """Give a setting its default again and return it as JSON.

        Raises:
            InvalidInput: there is no such setting, or it cannot be changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class SettingsEndpoint:
    """The endpoint."""

    settings: SettingsControl

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/settings", self.list_settings, methods=["GET"]),
            Route("/api/settings/{key}", self.change, methods=["PUT"]),
            Route("/api/settings/{key}", self.reset, methods=["DELETE"]),
        ]

    async def list_settings(self, request: Request) -> Response:
        """Return every setting, and whether config.toml can be used."""
        listed = list(await self.settings.listed())
        body = {"file": str(self.settings.file), "error": self.settings.error, "settings": listed}
        return JSONResponse(body, headers=NO_STORE)

    async def change(self, request: Request) -> Response:
        """Change a setting, in config.toml and in the running daemon."""
        command = await read_command(request, ChangeCommand)
        return JSONResponse(dict(await self.settings.change(request.path_params["key"], command.value)))

    async def reset(self, request: Request) -> Response:
        """Remove a setting from config.toml, so that its default is used."""
        return JSONResponse(dict(await self.settings.reset(request.path_params["key"])))
