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

from mcp_server.files.artifacts import SCHEME, Artifact, ArtifactStore, Kind
from mcp_server.files.broker_client import Opener, true_path
from mcp_server.files.client import OWN_HANDS, Caller
from model_runtime.errors import InvalidInput
from model_runtime.formats.data_url import decode_data_url
from model_runtime.formats.fetch import PUBLIC_WEB, Fetcher, is_web_address
from model_runtime.settings import Settings

PICTURE_BYTES = 50_000_000
SOUND_BYTES = 2_000_000_000
DATA_URI_CHARS = 11_000_000
"""8 MB of media in base64."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one caller."""

    caller: Caller
    settings: Settings
    artifacts: ArtifactStore
    fetcher: Fetcher = PUBLIC_WEB

    async def fetch(self, address: str, *, param: str) -> bytes | None:
        """Return what a web address holds; None for an address of any other kind.

        Raises:
            InvalidInput: the owner has not allowed the web, or nothing can be fetched; `param` names it.
        """
        if not is_web_address(address):
            return None
        if not self.settings.allow_urls:
            raise InvalidInput(
                f"{address} is a web address; Senses works offline. Download the file and pass its path, or set "
                f"files.allow_urls = true in {self._config} and restart Senses.",
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
            return io.BytesIO(_data(address, param))
        if address.startswith(f"{SCHEME}://"):
            return self._open(OWN_HANDS, self._artifact(address, param).path, address, param, limit_bytes)
        path = self._resolve(_path(address, param), param)
        self._check_readable(path, address, param)
        opener = self.caller.opener if _within(path, self._callers()) else OWN_HANDS
        return self._open(opener, path, address, param, limit_bytes)

    def result(self, address: str, *, param: str = "uri") -> Artifact:
        """Return the earlier result at a `senses://` address; raises `InvalidInput` where there is none."""
        if not address.startswith(f"{SCHEME}://"):
            raise InvalidInput(f"{address} is not the uri of a result; it must start with {SCHEME}://.", param=param)
        return self._artifact(address, param)

    def destination(
        self, address: str, suffixes: tuple[str, ...], *, overwrite: bool, param: str = "output_path"
    ) -> Path:
        """Return where a result may be written, before any work is done.

        Raises:
            InvalidInput: outside the caller's folders, a missing folder, another ending than `suffixes`, or a file
                that exists and may not be overwritten.
        """
        path = self._resolve(_path(address, param).parent, param) / _path(address, param).name
        if not _within(path, self._folders()):
            raise InvalidInput(self._outside(address, "write"), param=param, code="path_not_allowed")
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
        opener = self.caller.opener if _within(path, self._callers()) else OWN_HANDS
        opener.write(path, data)

    def _folders(self) -> tuple[Path, ...]:
        return (*self._callers(), *_real((self.settings.folders.inbox, self.artifacts.folder)))

    def _callers(self) -> tuple[Path, ...]:
        """The folders that are the client's or the owner's, where files are opened with the client's rights."""
        return _real((*self.caller.folders, *self.settings.allowed_folders))

    def _open(self, opener: Opener, path: Path, address: str, param: str, limit_bytes: int) -> BinaryIO:
        """Open and check what is really there: a folder on the way may have become a link since the path was checked."""
        descriptor = _descriptor(opener, path, address, param)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise InvalidInput(f"{address} is not a regular file; name one, not a folder or device.", param=param)
            if not _within(true_path(descriptor), self._folders()):
                raise InvalidInput(self._outside(address, "read"), param=param, code="path_not_allowed")
            if facts.st_size > limit_bytes:
                raise InvalidInput(
                    f"{address} has {facts.st_size / 1e6:.0f} MB; at most {limit_bytes / 1e6:.0f} MB can be read.",
                    param=param,
                    code="too_large",
                )
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb")

    def _resolve(self, path: Path, param: str) -> Path:
        if not path.is_absolute():
            if self.caller.cwd is None:
                raise InvalidInput(
                    f"{path} is a relative path and this client has no folder: pass an absolute path.", param=param
                )
            path = self.caller.cwd / path
        return Path(os.path.realpath(path))

    def _check_readable(self, path: Path, address: str, param: str) -> None:
        if not _within(path, self._folders()):
            raise InvalidInput(self._outside(address, "read"), param=param, code="path_not_allowed")

    def _outside(self, address: str, verb: str) -> str:
        folders = self.settings.folders
        where = ", ".join(str(folder) for folder in self.caller.folders) or "none of its own"
        return (
            f"{address} is not in a folder that this client may {verb} (hidden files never are). "
            f"The client's folders: {where}. Copy the file to {folders.inbox}, or add its folder to "
            f"files.allowed_folders in {self._config} and restart Senses."
        )

    @property
    def _config(self) -> Path:
        return self.settings.folders.config / "config.toml"

    def _artifact(self, address: str, param: str) -> Artifact:
        kind, _, name = address.removeprefix(f"{SCHEME}://").partition("/")
        kind = Kind.IMAGES if kind == "previews" else kind
        found = self.artifacts.find(Kind(kind), name) if kind in list(Kind) else None
        if found is None:
            raise InvalidInput(
                f"There is no {address}, or it had its time. Take the uri from a later result, or make it again.",
                param=param,
                code="not_found",
            )
        return found


def _path(address: str, param: str) -> Path:
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


def _within(path: Path, folders: tuple[Path, ...]) -> bool:
    spelled = _spelling(path)
    return any(
        spelled.is_relative_to(_spelling(folder)) and _is_open(spelled.relative_to(_spelling(folder)), folder)
        for folder in folders
    )


def _spelling(path: Path) -> Path:
    """On a Mac one file has many spellings: any case, and accents or Hangul composed or not."""
    return Path(unicodedata.normalize("NFC", str(path)).casefold()) if sys.platform == "darwin" else path


def _is_open(inner: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in inner.parts):
        return False
    return not (folder == Path.home() and inner.parts[:1] in (("Library",), ("library",)))


def _data(address: str, param: str) -> bytes:
    if len(address) > DATA_URI_CHARS:
        raise InvalidInput(
            f"{param} is a data: address of {len(address)} characters; it may hold at most 8 MB. "
            "Pass larger media as a path.",
            param=param,
        )
    return decode_data_url(address, param=param)


def _descriptor(opener: Opener, path: Path, address: str, param: str) -> int:
    try:
        return opener.open(path)
    except FileNotFoundError:
        where = "" if str(path) == address else f" in {path.parent}"
        hint = _nearby(path) or "; check its name and folder"
        raise InvalidInput(f"There is no file {address}{where}{hint}.", param=param, code="not_found") from None
    except PermissionError:
        raise InvalidInput(_refused(address), param=param, code="permission_denied") from None
    except OSError as error:
        raise InvalidInput(
            f"{address} cannot be opened: {error.strerror}. Copy it elsewhere, or name another file.", param=param
        ) from error


def _real(folders: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(folder)) for folder in folders)


def _nearby(path: Path) -> str:
    """Tell of a file whose name differs only in case or ending: the commonest slips."""
    try:
        names = [other.name for other in path.parent.iterdir() if not other.name.startswith(".")]
    except OSError:
        return ""
    close = [name for name in names if Path(name).stem.lower() == path.stem.lower()]
    return f"; perhaps {close[0]}" if len(close) == 1 else ""


def _refused(address: str) -> str:
    return (
        f"The operating system refuses to open {address}. On macOS, Desktop, Documents and Downloads need the user's "
        "consent: copy the file elsewhere, grant Files and Folders access in System Settings, or start `senses serve` "
        "from a Terminal that has access."
    )
