"""Access to files for one tool call: parse the address, check the folder, open once.

An address is a path (absolute, `~`, or relative to the client's working folder), `file://`, `senses://` (a stored
result), `data:`, "clipboard", "screenshot" (the newest one) or, if the settings allow it, `http(s)://`. The resolved
path is checked and the file is opened without following a link, so neither `..` nor a symbolic link leads out of the
allowed folders. The refusal of a path outside them is the same whether or not the file exists. The shim opens a client's files; what macOS denies to it, the daemon
tries itself. Nothing here touches a client's folder on the event loop.
"""

import errno
import io
import os
import stat
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mcp_server.files.addresses import decode_data_uri, is_data_uri, parse_path
from mcp_server.files.allowed_paths import AllowedPaths
from mcp_server.files.artifacts import URI_SCHEME, ArtifactKind, ArtifactStore, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.files.clipboard import CLIPBOARD, SCREENSHOT, RunProgram, read_clipboard, run_command, screenshot_folder
from mcp_server.files.denials import OWN_PROGRAM, explain
from mcp_server.files.folder_access import FolderAccess
from mcp_server.files.folders import AllowedPath, FolderWish, GrantedFolder
from mcp_server.files.grants import HTTP_CLIENTS, Access
from mcp_server.files.spelling import normalize_spelling
from model_runtime.errors import InvalidInput
from model_runtime.formats.fetch import DEFAULT_FETCHER, Fetcher, is_web_url
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

MAX_IMAGE_BYTES = 50_000_000
MAX_AUDIO_BYTES = 2_000_000_000

FindPath = Callable[[Path, Access], Awaitable[AllowedPath | None]]

ERROR_CODES: dict[type[OSError], str] = {PermissionError: "permission_denied", TimeoutError: "timeout"}


@dataclass(slots=True)
class ClientFiles:
    """The files of one client during one tool call."""

    client: ClientConnection
    settings: Settings
    artifacts: ArtifactStore
    fetcher: Fetcher = DEFAULT_FETCHER
    client_name: str = ""
    run: RunProgram = run_command
    """Runs the programs that tell what is on the clipboard and where screenshots are."""
    on_use: Callable[[Access, Path], None] = lambda access, path: None
    """Called with each file that was opened or written."""
    notes: list[str] = field(default_factory=list)
    """What the result should say, such as where a relative path led."""
    paths: AllowedPaths = field(init=False)

    def __post_init__(self) -> None:
        self.paths = AllowedPaths(self.client, self.principal, self.settings, self.artifacts)

    async def fetch(self, address: str, *, param: str) -> bytes | None:
        """Return the content of a web address, or None if the address is of another kind.

        `param` is the argument that errors name.

        Raises:
            InvalidInput: the settings do not allow web addresses, or the download fails.
        """
        if not is_web_url(address):
            return None
        if not self.settings.allow_urls:
            raise InvalidInput(
                f"{address} is a web address; Senses works offline. Download the file and pass its path, or set "
                f"files.allow_urls = true in {self.settings.folders.config / 'config.toml'} and restart Senses.",
                param=param,
                code="url_not_allowed",
            )
        return await self.fetcher.fetch(address, param=param)

    async def open(self, address: str, *, param: str, limit_bytes: int) -> BinaryIO:
        """Open a local input for reading at its start; the caller closes it.

        `param` is the argument that errors name.

        Raises:
            InvalidInput: the address has no accepted form, is outside the allowed folders, cannot be opened, is not a
                regular file, or is larger than `limit_bytes`.
        """
        if is_data_uri(address):
            return io.BytesIO(decode_data_uri(address, param))
        if address == str(CLIPBOARD):
            return await self._open_clipboard(param)
        if address.startswith(f"{URI_SCHEME}://"):
            path = (await self._find_artifact(address, param)).path
            allowed = AllowedPath(path, GrantedFolder(path.parents[1], is_clients=False), path.parents[1])
        else:
            path = await self._path_of(address, param)
            allowed = await self._find_allowed(path, address, "read", param)
        file = await self._open_checked(allowed, address, param, limit_bytes)
        self.on_use("read", allowed.path)
        return file

    async def artifact_at(self, address: str, *, param: str = "uri") -> StoredArtifact:
        """Return the stored result of a `senses://` address.

        Raises:
            InvalidInput: the address has another form, or the result does not exist.
        """
        if not address.startswith(f"{URI_SCHEME}://"):
            raise InvalidInput(
                f"{address} is not the URI of a result; it must start with {URI_SCHEME}://.", param=param
            )
        return await self._find_artifact(address, param)

    async def resolve_destination(
        self, address: str, suffixes: tuple[str, ...], *, overwrite: bool, param: str = "output_path"
    ) -> Path:
        """Return the path to which a result will be written, before any work is done.

        Raises:
            InvalidInput: the path is outside the allowed folders, its ending is not one of `suffixes`, its folder may
                not be looked at or cannot be made, or it exists and `overwrite` is false.
        """
        allowed = await self._find_allowed(self._absolute_path(address, param), address, "write", param)
        path = allowed.path
        if path.suffix.lower() not in suffixes:
            raise InvalidInput(f"{address} must end in {' or '.join(suffixes)} for this format.", param=param)
        await self._require_folder(allowed, address, param)
        mode = await self._mode(allowed, path, address, param)
        if mode is not None and stat.S_ISDIR(mode):
            raise InvalidInput(f"{address} is a folder; name a file in it.", param=param)
        if mode is not None and not overwrite:
            raise InvalidInput(f"{address} exists. Choose another name or pass overwrite=true.", param=param)
        return path

    async def write(self, path: Path, data: bytes) -> None:
        """Write a result atomically to a path that `resolve_destination` returned; missing folders are made.

        Raises:
            OSError: the file cannot be written.
            InvalidInput: a person has withdrawn the folder.
        """
        await self.paths.require_consent()
        allowed = await self.paths.find(path, "write")
        if allowed is None:
            raise OSError(errno.EXDEV, "its folder now leads out of the folders that this client may write")
        await FolderAccess(self.client, allowed.folder).write(allowed, data)
        self.on_use("write", allowed.path)

    async def look_up(self, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> None:
        """Look for these addresses before the work. Then `paths.missing` has the folders that a person has to be asked for.

        Those that the person refused in this session are not in it.
        """
        wishes: dict[FolderWish, None] = {}
        wanted: tuple[tuple[Access, Iterable[str]], ...] = (("read", reads), ("write", writes))
        for access, addresses in wanted:
            for address in addresses:
                if wish := await self._missing_folder(address, access):
                    wishes[wish] = None
        self.paths.missing = tuple([wish for wish in wishes if wish not in self.client.refused])
        self.paths.needs_consent = self.paths.needs_consent or bool(wishes)

    @property
    def principal(self) -> str:
        """The name for which grants of this client are kept: over HTTP, what a client calls itself is only its word."""
        return HTTP_CLIENTS if self.client.over_http else self.client_name

    def explain(self, error: OSError) -> str:
        """Return why a file of this client cannot be opened or written and what to do, as sentences."""
        return explain(error, self.settings.folders.inbox, (self.client.program, OWN_PROGRAM))

    async def _path_of(self, address: str, param: str) -> Path:
        """Return the absolute path of an address; for "screenshot" that of the newest one."""
        if address != SCREENSHOT:
            return self._absolute_path(address, param)
        folder = await screenshot_folder(self.run)
        allowed = await self._find_allowed(folder / SCREENSHOT, address, "read", param)
        try:
            name = await self._access(allowed).newest_picture(allowed.path.parent)
        except OSError as error:
            raise self._denied(address, "opened", error, param) from error
        if not name:
            raise InvalidInput(
                f"There is no picture in {folder}, where screenshots are. Take one, or pass the path of a picture.",
                param=param,
                code="not_found",
            )
        self.notes.append(f"screenshot is {folder / name}.")
        return folder / name

    async def _open_clipboard(self, param: str) -> BinaryIO:
        if await self.paths.clipboard() is None:
            raise self.paths.refuse(FolderWish("read", CLIPBOARD), str(CLIPBOARD), "read", param)
        content = await read_clipboard(param, self.run)
        self.on_use("read", CLIPBOARD)
        return io.BytesIO(content)

    async def _open_checked(self, allowed: AllowedPath, address: str, param: str, limit_bytes: int) -> BinaryIO:
        """Open a file and check the opened file: since the check of the path a folder above it may have become a link."""
        descriptor = await self._open_descriptor(allowed, address, param)
        try:
            try:
                opened = await self._access(allowed).describe(descriptor)
            except OSError as error:
                raise self._denied(address, "opened", error, param) from error
            if not opened.is_regular:
                raise InvalidInput(f"{address} is not a regular file; name one, not a folder or device.", param=param)
            if normalize_spelling(opened.path) != normalize_spelling(allowed.path):
                await self._find_allowed(opened.path, address, "read", param, self.paths.find)
            if opened.size_bytes > limit_bytes:
                raise InvalidInput(
                    f"{address} has {format_bytes(opened.size_bytes)}; at most {format_bytes(limit_bytes)} can be "
                    "read. Pass a smaller file.",
                    param=param,
                    code="too_large",
                )
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb")

    async def _open_descriptor(self, allowed: AllowedPath, address: str, param: str) -> int:
        path, access = allowed.path, self._access(allowed)
        try:
            return await access.open(path)
        except FileNotFoundError:
            folder_text = "" if str(path) == address else f" in {path.parent}"
            similar = await access.similar_name(path)
            hint = f"; perhaps {similar}" if similar else "; check its name and folder"
            raise InvalidInput(
                f"There is no file {address}{folder_text}{hint}.", param=param, code="not_found"
            ) from None
        except OSError as error:
            raise self._denied(address, "opened", error, param) from error

    async def _require_folder(self, allowed: AllowedPath, address: str, param: str) -> None:
        """Check that the folder of a path exists, or can be made because the nearest that exists is one."""
        for folder in allowed.path.parents:
            mode = await self._mode(allowed, folder, address, param)
            if mode is not None and not stat.S_ISDIR(mode):
                raise InvalidInput(f"{folder} is a file, so {address} cannot be in it.", param=param)
            if mode is not None:
                return

    async def _mode(self, allowed: AllowedPath, path: Path, address: str, param: str) -> int | None:
        """Return st_mode of a path, None if nothing is there."""
        try:
            return await self._access(allowed).mode(path)
        except OSError as error:
            raise self._denied(address, "written", error, param) from error

    def _access(self, allowed: AllowedPath) -> FolderAccess:
        return FolderAccess(self.client, allowed.folder)

    async def _find_allowed(
        self, path: Path, address: str, access: Access, param: str, find: FindPath | None = None
    ) -> AllowedPath:
        try:
            allowed = await (find or self.paths.take)(path, access)
            if allowed is None:
                raise await self.paths.refusal(path, address, access, param)
        except OSError as error:
            raise self._denied(address, "opened", error, param) from error
        return allowed

    async def _missing_folder(self, address: str, access: Access) -> FolderWish | None:
        """Return the folder that must be granted for an address; None also if something else is wrong with it."""
        if not address or is_data_uri(address) or is_web_url(address) or address.startswith(f"{URI_SCHEME}://"):
            return None
        if access == "read" and address == str(CLIPBOARD):
            return None if await self.paths.clipboard() else FolderWish("read", CLIPBOARD)
        try:
            if access == "read" and address == SCREENSHOT:
                return await self.paths.look_up(await screenshot_folder(self.run) / SCREENSHOT, access)
            return await self.paths.look_up(self._absolute_path(address, "path"), access)
        except (InvalidInput, OSError):
            return None

    def _absolute_path(self, address: str, param: str) -> Path:
        path, note = self.paths.absolute(parse_path(address, param), param)
        self.notes += [note] if note and note not in self.notes else []
        return path

    def _denied(self, address: str, verb: str, error: OSError, param: str) -> InvalidInput:
        code = next((code for kind, code in ERROR_CODES.items() if isinstance(error, kind)), None)
        text = f"{address} cannot be {verb}: {self.explain(error)}"
        return InvalidInput(text, param=param, code=code) if code else InvalidInput(text, param=param)

    async def _find_artifact(self, address: str, param: str) -> StoredArtifact:
        kind, _, name = address.removeprefix(f"{URI_SCHEME}://").partition("/")
        kind = ArtifactKind.IMAGES if kind == "previews" else kind
        if kind in list(ArtifactKind):
            find = partial(self.artifacts.find, ArtifactKind(kind), name)
            if found := await self.client.threads.run(self.artifacts.folder, find):
                return found
        raise InvalidInput(
            f"{address} does not exist or has expired. Use the URI of a newer result, or generate it again.",
            param=param,
            code="not_found",
        )
