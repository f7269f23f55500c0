"""Access to files for one tool call: parse the address, check the folder, open once.

An address is a path (absolute, `~`, or relative to the client's working folder), `file://`, `senses://` (a stored
result), `data:` or, if the settings allow it, `http(s)://`. The resolved path is checked and the file is opened without
following a link, so neither `..` nor a symbolic link leads out of the allowed folders. The refusal of a path outside
them is the same whether or not the file exists. The shim opens a client's files; what macOS denies to it, the daemon
tries itself. Nothing here touches a client's folder on the event loop.
"""

import errno
import io
import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

from mcp_server.files.addresses import decode_data_uri, is_data_uri, parse_path
from mcp_server.files.artifacts import URI_SCHEME, ArtifactKind, ArtifactStore, StoredArtifact
from mcp_server.files.client import ClientConnection
from mcp_server.files.denials import OWN_PROGRAM, explain, outside_text
from mcp_server.files.folder_access import FolderAccess
from mcp_server.files.folders import AllowedPath, GrantedFolder, normalize_spelling
from mcp_server.files.lookup import FolderLookup
from model_runtime.errors import InvalidInput
from model_runtime.formats.fetch import DEFAULT_FETCHER, Fetcher, is_web_url
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

MAX_IMAGE_BYTES = 50_000_000
MAX_AUDIO_BYTES = 2_000_000_000

Verb = Literal["read", "write"]
ERROR_CODES: dict[type[OSError], str] = {PermissionError: "permission_denied", TimeoutError: "timeout"}


@dataclass(slots=True)
class ClientFiles:
    """The files of one client during one tool call."""

    client: ClientConnection
    settings: Settings
    artifacts: ArtifactStore
    fetcher: Fetcher = DEFAULT_FETCHER

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
                f"files.allow_urls = true in {self._config_path} and restart Senses.",
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
        if address.startswith(f"{URI_SCHEME}://"):
            path = (await self._find_artifact(address, param)).path
            allowed = AllowedPath(path, GrantedFolder(path.parents[1], is_clients=False))
        else:
            path = self._absolute_path(parse_path(address, param), param)
            allowed = await self._find_allowed(path, address, "read", param)
        return await self._open_checked(allowed, address, param, limit_bytes)

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
            InvalidInput: the path is outside the allowed folders, its ending is not one of `suffixes`, its folder does
                not exist or may not be looked at, or it exists and `overwrite` is false.
        """
        allowed = await self._find_allowed(
            self._absolute_path(parse_path(address, param), param), address, "write", param
        )
        path = allowed.path
        if path.suffix.lower() not in suffixes:
            raise InvalidInput(f"{address} must end in {' or '.join(suffixes)} for this format.", param=param)
        mode, has_folder = await self._look_at(allowed, address, param)
        if not has_folder:
            raise InvalidInput(
                f"The folder {path.parent} does not exist, so {path.name} cannot be written there. Make it first.",
                param=param,
            )
        if mode is not None and stat.S_ISDIR(mode):
            raise InvalidInput(f"{address} is a folder; name a file in it.", param=param)
        if mode is not None and not overwrite:
            raise InvalidInput(f"{address} exists. Choose another name or pass overwrite=true.", param=param)
        return path

    async def write(self, path: Path, data: bytes) -> None:
        """Write a result atomically to a path that `resolve_destination` returned.

        Raises:
            OSError: the file cannot be written.
        """
        allowed = await self._require_shown(path)

        async def check(created: Path) -> None:
            await self._require_shown(created.with_name(path.name))

        await self._access(allowed).write(path, data, check)

    def explain(self, error: OSError) -> str:
        """Return why a file of this client cannot be opened or written and what to do, as sentences."""
        return explain(error, self.settings.folders.inbox, (self.client.program, OWN_PROGRAM))

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
                await self._find_allowed(opened.path, address, "read", param)
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

    async def _look_at(self, allowed: AllowedPath, address: str, param: str) -> tuple[int | None, bool]:
        """Return st_mode of a path, None if nothing is there, and whether its folder exists."""
        access = self._access(allowed)
        try:
            return await access.mode(allowed.path), await access.is_folder(allowed.path.parent)
        except OSError as error:
            raise self._denied(address, "written", error, param) from error

    def _access(self, allowed: AllowedPath) -> FolderAccess:
        return FolderAccess(self.client, allowed.folder)

    async def _find_allowed(self, path: Path, address: str, verb: Verb, param: str) -> AllowedPath:
        try:
            allowed = await self._find(path, follow=verb == "read")
        except OSError as error:
            raise self._denied(address, "opened", error, param) from error
        if allowed is None:
            raise self._not_allowed(address, verb, param)
        return allowed

    async def _require_shown(self, path: Path) -> AllowedPath:
        allowed = await self._find(path, follow=False)
        if allowed is None:
            raise OSError(errno.EXDEV, "its folder now leads out of the folders that this client may write")
        return allowed

    async def _find(self, path: Path, *, follow: bool) -> AllowedPath | None:
        """Return the resolved path if a granted folder shows it. What the daemon may not look at, the shim resolves."""
        allowed = await self._lookup.find(path, follow=follow)
        if allowed is None or allowed.was_seen:
            return allowed
        resolve = self._access(allowed).resolve
        resolved = await resolve(allowed.path) if follow else await resolve(allowed.path.parent) / path.name
        return await self._lookup.find(resolved, follow=follow)

    @property
    def _lookup(self) -> FolderLookup:
        client = (
            GrantedFolder(path, is_clients=True) for path in (*self.client.folders, *self.settings.allowed_folders)
        )
        inbox = GrantedFolder(self.settings.folders.inbox, is_clients=False)
        results = (GrantedFolder(folder, is_clients=False) for folder in self.artifacts.folders)
        return FolderLookup((*client, inbox, *results), self.client.threads)

    def _absolute_path(self, path: Path, param: str) -> Path:
        if path.is_absolute():
            return path
        if self.client.cwd is None:
            raise InvalidInput(
                f"{path} is a relative path and this client has no working folder: pass an absolute path.",
                param=param,
            )
        return self.client.cwd / path

    def _denied(self, address: str, verb: str, error: OSError, param: str) -> InvalidInput:
        code = next((code for kind, code in ERROR_CODES.items() if isinstance(error, kind)), None)
        text = f"{address} cannot be {verb}: {self.explain(error)}"
        return InvalidInput(text, param=param, code=code) if code else InvalidInput(text, param=param)

    def _not_allowed(self, address: str, verb: Verb, param: str) -> InvalidInput:
        text = outside_text(address, verb, self.client.folders, self.settings.folders.inbox, self._config_path)
        return InvalidInput(text, param=param, code="path_not_allowed")

    @property
    def _config_path(self) -> Path:
        return self.settings.folders.config / "config.toml"

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
