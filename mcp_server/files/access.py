"""What a tool may read and write: addresses resolved, folders checked, files opened once.

An input is a path (absolute, `~`, or relative to the client's working folder), `file://`, `senses://` (an earlier
result), `data:` or, where the owner allows it, `http(s)://`. The check is made on the resolved path and the file is opened without following a link, so that
neither `..` nor a symbolic link leads out. What is outside the caller's folders is refused with one sentence that
does not tell whether it exists.
"""

import io
import os
import stat
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
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

MAX_IMAGE_BYTES = 50_000_000
MAX_AUDIO_BYTES = 2_000_000_000
MAX_DATA_URI_CHARS = 11_000_000
"""8 MB of media in base64."""


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """The files of one caller."""

    client: ClientConnection
    settings: Settings
    artifacts: ArtifactStore
    fetcher: Fetcher = DEFAULT_FETCHER

    async def fetch(self, address: str, *, param: str) -> bytes | None:
        """Return what a web address holds; None for an address of any other kind.

        Raises:
            InvalidInput: the owner has not allowed the web, or nothing can be fetched; `param` names it.
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
        """Open an input on this disk for reading, from its start; the caller closes it.

        Raises:
            InvalidInput: the address is not one of the accepted forms, is outside the caller's folders, is not a
                regular file, or holds more than `limit_bytes`; `param` names it.
        """
        if address[:5].lower() == "data:":
            return io.BytesIO(_decode_data_uri(address, param))
        if address.startswith(f"{URI_SCHEME}://"):
            return self._open_checked(
                LOCAL_FILE_ACCESS, self._find_artifact(address, param).path, address, param, limit_bytes
            )
        path = self._absolute_path(_parse_path(address, param), param)
        self._require_allowed(path, address, param)
        file_access = self.client.file_access if _is_within(path, self._client_folders()) else LOCAL_FILE_ACCESS
        return self._open_checked(file_access, path, address, param, limit_bytes)

    def artifact_at(self, address: str, *, param: str = "uri") -> StoredArtifact:
        """Return the earlier result at a `senses://` address; raises `InvalidInput` where there is none."""
        if not address.startswith(f"{URI_SCHEME}://"):
            raise InvalidInput(
                f"{address} is not the uri of a result; it must start with {URI_SCHEME}://.", param=param
            )
        return self._find_artifact(address, param)

    def resolve_destination(
        self, address: str, suffixes: tuple[str, ...], *, overwrite: bool, param: str = "output_path"
    ) -> Path:
        """Return where a result may be written, before any work is done.

        Raises:
            InvalidInput: outside the caller's folders, a missing folder, another ending than `suffixes`, or a file
                that exists and may not be overwritten.
        """
        path = self._absolute_path(_parse_path(address, param).parent, param) / _parse_path(address, param).name
        if not _is_within(path, self._allowed_folders()):
            raise InvalidInput(self._not_allowed_text(address, "write"), param=param, code="path_not_allowed")
        if path.suffix.lower() not in suffixes:
            raise InvalidInput(f"{address} must end in {' or '.join(suffixes)} for this format.", param=param)
        if not path.parent.is_dir():
            raise InvalidInput(f"There is no folder {path.parent} to write {path.name} into.", param=param)
        if path.is_dir():
            raise InvalidInput(f"{address} is a folder; name a file in it.", param=param)
        if os.path.lexists(path) and not overwrite:
            raise InvalidInput(f"{address} exists. Choose another name or pass overwrite=true.", param=param)
        return path

    def write(self, path: Path, data: bytes) -> None:
        """Write a result to a checked destination, whole or not at all."""
        file_access = self.client.file_access if _is_within(path, self._client_folders()) else LOCAL_FILE_ACCESS
        file_access.write(path, data)

    def _allowed_folders(self) -> tuple[Path, ...]:
        return (*self._client_folders(), *_resolve_all((self.settings.folders.inbox, self.artifacts.folder)))

    def _client_folders(self) -> tuple[Path, ...]:
        """The folders that are the client's or the owner's, where files are opened with the client's rights."""
        return _resolve_all((*self.client.folders, *self.settings.allowed_folders))

    def _open_checked(
        self, file_access: FileAccess, path: Path, address: str, param: str, limit_bytes: int
    ) -> BinaryIO:
        """Open and check what is really there: a folder on the way may have become a link since the path was checked."""
        descriptor = _open_descriptor(file_access, path, address, param)
        try:
            file_stat = os.fstat(descriptor)
            if not stat.S_ISREG(file_stat.st_mode):
                raise InvalidInput(f"{address} is not a regular file; name one, not a folder or device.", param=param)
            if not _is_within(path_of_descriptor(descriptor), self._allowed_folders()):
                raise InvalidInput(self._not_allowed_text(address, "read"), param=param, code="path_not_allowed")
            if file_stat.st_size > limit_bytes:
                raise InvalidInput(
                    f"{address} has {file_stat.st_size / 1e6:.0f} MB; at most {limit_bytes / 1e6:.0f} MB can be read.",
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
                    f"{path} is a relative path and this client has no folder: pass an absolute path.", param=param
                )
            path = self.client.cwd / path
        return Path(os.path.realpath(path))

    def _require_allowed(self, path: Path, address: str, param: str) -> None:
        if not _is_within(path, self._allowed_folders()):
            raise InvalidInput(self._not_allowed_text(address, "read"), param=param, code="path_not_allowed")

    def _not_allowed_text(self, address: str, verb: str) -> str:
        folders = self.settings.folders
        client_folders = ", ".join(str(folder) for folder in self.client.folders) or "none of its own"
        return (
            f"{address} is not in a folder that this client may {verb} (hidden files never are). "
            f"The client's folders: {client_folders}. Copy the file to {folders.inbox}, or add its folder to "
            f"files.allowed_folders in {self._config_path} and restart Senses."
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
                f"There is no {address}, or it had its time. Take the uri from a later result, or make it again.",
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
            raise InvalidInput(f"{address} names another machine; only local files can be read.", param=param)
        return Path(unquote(parts.path))
    if len(address) > 4096:
        raise InvalidInput(
            f"{param} has {len(address)} characters and is not a path. Pass a path, or base64 as data:<type>;base64,…",
            param=param,
        )
    return Path(address).expanduser()


def _is_within(path: Path, folders: tuple[Path, ...]) -> bool:
    normalized = _normalize_spelling(path)
    return any(
        normalized.is_relative_to(_normalize_spelling(folder))
        and _is_visible(normalized.relative_to(_normalize_spelling(folder)), folder)
        for folder in folders
    )


def _normalize_spelling(path: Path) -> Path:
    """On a Mac one file has many spellings: any case, and accents or Hangul composed or not."""
    return Path(unicodedata.normalize("NFC", str(path)).casefold()) if sys.platform == "darwin" else path


def _is_visible(relative: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in relative.parts):
        return False
    return not (folder == Path.home() and relative.parts[:1] in (("Library",), ("library",)))


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
    return tuple(Path(os.path.realpath(folder)) for folder in folders)


def _similar_name_hint(path: Path) -> str:
    """Tell of a file whose name differs only in case or ending: the commonest slips."""
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
