"""Access to files for one tool call: parse the address, check the folder, open once.

An address is a path (absolute, `~`, or relative to the client's working folder), `file://`, `senses://` (a stored
result), `data:` or, if the settings allow it, `http(s)://`. The resolved path is checked and the file is opened without
following a link, so neither `..` nor a symbolic link leads out of the allowed folders. The refusal of a path outside
them is the same whether or not the file exists.
"""

import io
import os
import stat
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from mcp_server.files.artifacts import URI_SCHEME, ArtifactKind, ArtifactStore, StoredArtifact
from mcp_server.files.broker_client import FileAccess, path_of_descriptor
from mcp_server.files.client import LOCAL_FILE_ACCESS, ClientConnection
from model_runtime.errors import InvalidInput
from model_runtime.formats.data_url import decode_data_url
from model_runtime.formats.fetch import DEFAULT_FETCHER, Fetcher, is_web_url
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

MAX_IMAGE_BYTES = 50_000_000
MAX_AUDIO_BYTES = 2_000_000_000
MAX_DATA_URI_CHARS = 11_000_000
"""8 MB of media in base64."""
MAX_PATH_CHARS = 4096
"""PATH_MAX of Linux; a longer address is probably base64 without its `data:` prefix."""


@dataclass(frozen=True, slots=True)
class ResolvedFolders:
    """Resolved and normalized folders. Files in `client` are opened with the client's rights."""

    client: tuple[Path, ...]
    allowed: tuple[Path, ...]
    """Every folder that may be read and written, `client` included."""


@dataclass(slots=True)
class ClientFiles:
    """The files of one client during one tool call."""

    client: ClientConnection
    settings: Settings
    artifacts: ArtifactStore
    fetcher: Fetcher = DEFAULT_FETCHER
    _folders: ResolvedFolders | None = field(default=None, init=False, repr=False, compare=False)

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

    def open(self, address: str, *, param: str, limit_bytes: int) -> BinaryIO:
        """Open a local input for reading at its start; the caller closes it.

        `param` is the argument that errors name.

        Raises:
            InvalidInput: the address has no accepted form, is outside the allowed folders, is not a regular file, or
                is larger than `limit_bytes`.
        """
        if address[:5].lower() == "data:":
            return io.BytesIO(_decode_data_uri(address, param))
        if address.startswith(f"{URI_SCHEME}://"):
            path = self._find_artifact(address, param).path
            return self._open_checked(LOCAL_FILE_ACCESS, path, address, param, limit_bytes)
        path = self._absolute_path(_parse_path(address, param), param)
        if not _is_within(path, self._resolve_folders().allowed):
            raise self._not_allowed(address, "read", param)
        return self._open_checked(self._file_access(path), path, address, param, limit_bytes)

    def artifact_at(self, address: str, *, param: str = "uri") -> StoredArtifact:
        """Return the stored result of a `senses://` address.

        Raises:
            InvalidInput: the address has another form, or the result does not exist.
        """
        if not address.startswith(f"{URI_SCHEME}://"):
            raise InvalidInput(
                f"{address} is not the URI of a result; it must start with {URI_SCHEME}://.", param=param
            )
        return self._find_artifact(address, param)

    def resolve_destination(
        self, address: str, suffixes: tuple[str, ...], *, overwrite: bool, param: str = "output_path"
    ) -> Path:
        """Return the path to which a result will be written, before any work is done.

        Raises:
            InvalidInput: the path is outside the allowed folders, its folder does not exist, its ending is not one of
                `suffixes`, or it exists and `overwrite` is false.
        """
        parsed = _parse_path(address, param)
        # only the folder is resolved: a link at the path itself is replaced, not followed
        path = self._absolute_path(parsed.parent, param) / parsed.name
        if not _is_within(path, self._resolve_folders().allowed):
            raise self._not_allowed(address, "write", param)
        if path.suffix.lower() not in suffixes:
            raise InvalidInput(f"{address} must end in {' or '.join(suffixes)} for this format.", param=param)
        if not path.parent.is_dir():
            raise InvalidInput(
                f"The folder {path.parent} does not exist, so {path.name} cannot be written there. Make it first.",
                param=param,
            )
        if path.is_dir():
            raise InvalidInput(f"{address} is a folder; name a file in it.", param=param)
        if os.path.lexists(path) and not overwrite:
            raise InvalidInput(f"{address} exists. Choose another name or pass overwrite=true.", param=param)
        return path

    def write(self, path: Path, data: bytes) -> None:
        """Write a result atomically to a path that `resolve_destination` returned.

        Raises:
            OSError: the file cannot be written.
        """
        self._file_access(path).write(path, data)

    def _file_access(self, path: Path) -> FileAccess:
        return self.client.file_access if _is_within(path, self._resolve_folders().client) else LOCAL_FILE_ACCESS

    def _resolve_folders(self) -> ResolvedFolders:
        # not functools.cached_property: in Python 3.11 all instances share its lock, so one hung network folder would
        # block the calls of every client
        if self._folders is None:
            client = _resolve_all((*self.client.folders, *self.settings.allowed_folders))
            shared = _resolve_all((self.settings.folders.inbox, *self.artifacts.folders))
            self._folders = ResolvedFolders(client, (*client, *shared))
        return self._folders

    def _open_checked(
        self, file_access: FileAccess, path: Path, address: str, param: str, limit_bytes: int
    ) -> BinaryIO:
        """Open a file and check the opened file: since the check of `path` a folder above it may have become a link."""
        descriptor = _open_descriptor(file_access, path, address, param)
        try:
            file_stat = os.fstat(descriptor)
            if not stat.S_ISREG(file_stat.st_mode):
                raise InvalidInput(f"{address} is not a regular file; name one, not a folder or device.", param=param)
            if not _is_within(path_of_descriptor(descriptor), self._resolve_folders().allowed):
                raise self._not_allowed(address, "read", param)
            if file_stat.st_size > limit_bytes:
                raise InvalidInput(
                    f"{address} has {format_bytes(file_stat.st_size)}; at most {format_bytes(limit_bytes)} can be "
                    "read. Pass a smaller file.",
                    param=param,
                    code="too_large",
                )
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb")

    def _absolute_path(self, path: Path, param: str) -> Path:
        if not path.is_absolute():
            if self.client.cwd is None:
                raise InvalidInput(
                    f"{path} is a relative path and this client has no working folder: pass an absolute path.",
                    param=param,
                )
            path = self.client.cwd / path
        return Path(os.path.realpath(path))

    def _not_allowed(self, address: str, verb: str, param: str) -> InvalidInput:
        folders = self.settings.folders
        client_folders = ", ".join(str(folder) for folder in self.client.folders) or "none of its own"
        return InvalidInput(
            f"{address} is not in a folder that this client may {verb} (hidden files never are). "
            f"The client's folders: {client_folders}. Copy the file to {folders.inbox}, or add its folder to "
            f"files.allowed_folders in {self._config_path} and restart Senses.",
            param=param,
            code="path_not_allowed",
        )

    @property
    def _config_path(self) -> Path:
        return self.settings.folders.config / "config.toml"

    def _find_artifact(self, address: str, param: str) -> StoredArtifact:
        kind, _, name = address.removeprefix(f"{URI_SCHEME}://").partition("/")
        kind = ArtifactKind.IMAGES if kind == "previews" else kind
        found = self.artifacts.find(ArtifactKind(kind), name) if kind in list(ArtifactKind) else None
        if found is None:
            raise InvalidInput(
                f"{address} does not exist or has expired. Use the URI of a newer result, or generate it again.",
                param=param,
                code="not_found",
            )
        return found


def _parse_path(address: str, param: str) -> Path:
    if "\0" in address or not address.strip():
        raise InvalidInput(f"{param} is empty or holds a NUL character; pass the path of a file.", param=param)
    if address.startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost"):
            raise InvalidInput(
                f"{address} names another machine; only local files can be read. Copy the file here.", param=param
            )
        return Path(unquote(parts.path))
    if len(address) > MAX_PATH_CHARS:
        raise InvalidInput(
            f"{param} has {len(address)} characters and is not a path. Pass a path, or base64 as data:<type>;base64,…",
            param=param,
        )
    return Path(address).expanduser()


def _is_within(path: Path, folders: tuple[Path, ...]) -> bool:
    """Return whether a resolved path is visible in one of `folders`, which `_resolve_all` returned."""
    normalized = _normalize_spelling(path)
    for folder in folders:
        if not normalized.is_relative_to(folder):
            continue
        if _is_visible(normalized.relative_to(folder), folder):
            return True
    return False


def _normalize_spelling(path: Path) -> Path:
    """Return one spelling of a path: macOS ignores case, and whether accents or Hangul are composed."""
    return Path(unicodedata.normalize("NFC", str(path)).casefold()) if sys.platform == "darwin" else path


def _is_visible(relative: Path, folder: Path) -> bool:
    """Return whether no part is hidden and, in the home folder of a Mac, the file is not in Library."""
    if any(part.startswith(".") for part in relative.parts):
        return False
    return not (folder == _normalize_spelling(Path.home()) and relative.parts[:1] in (("Library",), ("library",)))


def _decode_data_uri(address: str, param: str) -> bytes:
    if len(address) > MAX_DATA_URI_CHARS:
        raise InvalidInput(
            f"{param} is a data: address of {len(address)} characters; it may hold at most 8 MB. "
            "Pass larger media as a path.",
            param=param,
        )
    return decode_data_url(address, param=param)


def _open_descriptor(file_access: FileAccess, path: Path, address: str, param: str) -> int:
    try:
        return file_access.open(path)
    except FileNotFoundError:
        folder_text = "" if str(path) == address else f" in {path.parent}"
        hint = _similar_name_hint(path) or "; check its name and folder"
        raise InvalidInput(f"There is no file {address}{folder_text}{hint}.", param=param, code="not_found") from None
    except PermissionError:
        raise InvalidInput(_permission_denied_text(address), param=param, code="permission_denied") from None
    except OSError as error:
        raise InvalidInput(
            f"{address} cannot be opened: {error.strerror}. Copy it elsewhere, or name another file.", param=param
        ) from error


def _resolve_all(folders: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(_normalize_spelling(Path(os.path.realpath(folder))) for folder in folders)


def _similar_name_hint(path: Path) -> str:
    """Return the one file of the folder whose name differs only in case or ending, as text for an error."""
    try:
        names = [other.name for other in path.parent.iterdir() if not other.name.startswith(".")]
    except OSError:
        return ""
    similar = [name for name in names if Path(name).stem.lower() == path.stem.lower()]
    return f"; perhaps {similar[0]}" if len(similar) == 1 else ""


def _permission_denied_text(address: str) -> str:
    return (
        f"The operating system refuses to open {address}. On macOS, Desktop, Documents and Downloads need the user's "
        "consent: copy the file elsewhere, grant Files and Folders access in System Settings, or start `senses serve` "
        "from a Terminal that has access."
    )
