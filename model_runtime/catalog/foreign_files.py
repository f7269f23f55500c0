"""Read files that others wrote: JSON, and the headers of safetensors and .npz files. No other module opens them.

Only regular files are read, never a pipe, device or socket, which could block for ever. Every size has a limit: parsing
JSON holds the interpreter, and with it the event loop, for 20 to 60 ms a megabyte. Every error is an
`InvalidCheckpoint` with the path and the reason. Call it in a thread.

A safetensors file starts with the length of its header (8 bytes, little-endian) and the header (JSON: name → dtype,
shape, data offsets): https://github.com/huggingface/safetensors#format. An .npz file is a ZIP of .npy files, whose
directory is at its end: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import errno
import json
import math
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from model_runtime.errors import LoadFailed
from model_runtime.sizes import format_bytes

MAX_CONFIG_BYTES = 4_000_000
"""Limit of a config.json; published ones have at most a few hundred kilobytes."""
MAX_JSON_BYTES = 5_000_000
"""Limit of any other JSON file."""
MAX_HEADER_BYTES = 5_000_000
"""Limit of the header of a safetensors file. The library accepts 100 MB; published ones have at most a few MB."""
MAX_NPZ_ARRAYS = 10_000
MAX_NPZ_DIRECTORY_BYTES = 4_000_000
MAX_FILES = 10_000
"""Files of one folder that are looked at."""
MAX_DEPTH = 3
"""Levels of folders that are looked at; the checkpoints of all engines have at most two."""
MAX_DIMENSIONS = 16
"""Of one tensor."""
MAX_NAME_CHARACTERS = 100
"""Of a name from a file inside an error message."""
MAX_PATH_CHARACTERS = 600
"""Of a path inside an error message."""
MAX_COUNT = 2**53
"""Limit of a number in a configuration; a larger one counts as absent."""
HEADER_LENGTH_BYTES = 8
DTYPE_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Name of a dtype in the header → bits of one number."""
HALF_PRECISION_DTYPES = ("F16", "BF16")
FILE_KINDS = {
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}
ZIP_END = struct.Struct("<4s4xHHII2x")
"""End of a ZIP file: signature, entries on this disk, entries, size and offset of the directory."""
ZIP_ENTRY = struct.Struct("<4s24xHHH12x")
"""Entry of the directory of a ZIP file: signature, lengths of name, extra field and comment."""
MAX_ZIP_COMMENT_BYTES = 65_535


class InvalidCheckpoint(LoadFailed):
    """A file of a model is missing, truncated, malformed or too large."""

    def __init__(self, path: Path, reason: str) -> None:
        advice = "Download the model again; if that does not help, delete its folder first."
        super().__init__(_printable(f"{_shorten(str(path))} {reason}. {advice}"))
        self.path = path
        self.reason = reason


def _shorten(path: str) -> str:
    """Return a path of at most `MAX_PATH_CHARACTERS` letters: a configuration can name one of any length."""
    half = MAX_PATH_CHARACTERS // 2
    return path if len(path) <= MAX_PATH_CHARACTERS else f"{path[:half]}…{path[-half:]}"


def _printable(text: str) -> str:
    """Return text as one line that can be sent: names of files may hold line breaks and bytes that are not UTF-8."""
    encodable = text.encode("utf-8", "backslashreplace").decode()
    if encodable.isprintable():
        return encodable
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in encodable)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Dtype, shape and stored size of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def float32_bytes(self) -> int:
        """Size in memory if half precision is widened to float32."""
        return 2 * self.size_bytes if self.dtype in HALF_PRECISION_DTYPES else self.size_bytes


def read_json_object(path: Path, limit_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        InvalidCheckpoint: the file cannot be read, is longer than the limit, or is not a JSON object.
    """
    with _open_regular_file(path) as (file, size_bytes):
        if size_bytes > limit_bytes:
            limit = format_bytes(limit_bytes)
            raise InvalidCheckpoint(path, f"has {format_bytes(size_bytes)}, and at most {limit} are read")
        return _parse_json_object(file.read(limit_bytes), path)


def read_text(path: Path, limit_bytes: int = MAX_JSON_BYTES) -> str:
    """Return the text of a file.

    Raises:
        InvalidCheckpoint: the file cannot be read, is longer than the limit, or is not UTF-8.
    """
    with _open_regular_file(path) as (file, _):
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise InvalidCheckpoint(path, f"is longer than {format_bytes(limit_bytes)}")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidCheckpoint(path, "is not text") from error


def read_header(path: Path) -> Iterator[tuple[str, TensorInfo]]:
    """Yield the name and description of every tensor of a safetensors file.

    Raises:
        InvalidCheckpoint: the file cannot be read or is truncated, or the header or an entry is malformed.
    """
    with _open_regular_file(path) as (file, file_bytes):
        header_bytes = int.from_bytes(file.read(HEADER_LENGTH_BYTES), "little")
        if not 2 <= header_bytes <= file_bytes - HEADER_LENGTH_BYTES:
            raise InvalidCheckpoint(path, f"is incomplete (header says {header_bytes} bytes, file has {file_bytes})")
        if header_bytes > MAX_HEADER_BYTES:
            limit = format_bytes(MAX_HEADER_BYTES)
            raise InvalidCheckpoint(path, f"has a header of {format_bytes(header_bytes)}, and at most {limit} are read")
        header = _parse_json_object(file.read(header_bytes), path)
    header.pop("__metadata__", None)
    data_bytes = file_bytes - HEADER_LENGTH_BYTES - header_bytes
    for name, entry in header.items():
        yield name, _parse_entry(name, entry, data_bytes, path)


def read_npz_names(path: Path) -> tuple[str, ...]:
    """Return the sorted names of the arrays of an .npz file.

    Raises:
        InvalidCheckpoint: the file cannot be read, is not an .npz file, or has too many arrays.
    """
    with _open_regular_file(path) as (file, size_bytes):
        file.seek(max(size_bytes - ZIP_END.size - MAX_ZIP_COMMENT_BYTES, 0))
        tail = file.read(ZIP_END.size + MAX_ZIP_COMMENT_BYTES)
        end = tail.rfind(b"PK\5\6")
        if end < 0 or len(tail) - end < ZIP_END.size:
            raise InvalidCheckpoint(path, "is not an .npz file, or is cut short")
        _, _, count, directory_bytes, offset = ZIP_END.unpack_from(tail, end)
        if count > MAX_NPZ_ARRAYS or directory_bytes > MAX_NPZ_DIRECTORY_BYTES:
            raise InvalidCheckpoint(path, f"lists {count} arrays, and at most {MAX_NPZ_ARRAYS} are read")
        file.seek(offset)
        directory = file.read(directory_bytes)
    return tuple(sorted(Path(name).stem for name in _parse_zip_directory(directory, count, path)))


def list_files(folder: Path, suffixes: tuple[str, ...] = ("",), *, depth: int = MAX_DEPTH) -> list[Path]:
    """Return the files below a folder with one of these suffixes, sorted; linked folders are not entered.

    The list includes links that lead nowhere, and folders with such a name: reading them tells what they are. Levels
    and number are bounded, so a whole disk is never searched. A folder that cannot be read has no files.
    """
    found: list[Path] = []
    for root, folders, names in os.walk(folder) if "\0" not in str(folder) else ():
        listed = (*names, *_named(folders, suffixes))
        found += [Path(root, name) for name in listed if name.endswith(suffixes) and not is_apple_double(name)]
        if len(Path(root).relative_to(folder).parts) >= depth - 1:
            folders.clear()
        if len(found) >= MAX_FILES:
            break
    return sorted(found[:MAX_FILES])


def is_apple_double(name: str) -> bool:
    """Return whether a file holds what macOS knows of another one: it writes `._x` beside `x` on disks of other systems.

    The format is AppleDouble (RFC 1740); the content of `x` is not in it.
    """
    return name.startswith("._")


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones; linked ones too. Unreadable ones are left out."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MAX_FILES) if entry.name[0] != "." and entry.is_dir()]
    except (OSError, ValueError):
        return []
    return [folder / name for name in sorted(names)]


def is_there(path: Path) -> bool:
    """Return whether a name is in its folder, also as a link that leads nowhere."""
    return os.path.lexists(path)


def signature(path: Path) -> tuple[int, int, int]:
    """Return what changes with the content of a file: inode, size and modification time; zeros if it is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def string_at(config: Mapping[str, Any], key: str) -> str:
    """Return the text under a key, or "" if there is none or something else."""
    value = config.get(key)
    return value if isinstance(value, str) else ""


def count_at(config: Mapping[str, Any], key: str) -> int:
    """Return the positive number under a key as an integer, or 0 if there is none or something else."""
    value = config.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0
    return int(value) if 0 < value <= MAX_COUNT else 0


def object_at(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under a key, or {} if there is none or something else."""
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def strings_at(config: Mapping[str, Any], key: str) -> list[str]:
    """Return the texts of the list under a key, or [] if there is none or something else."""
    value = config.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _named(folders: list[str], suffixes: tuple[str, ...]) -> list[str]:
    return [name for name in folders if suffixes != ("",) and name.endswith(suffixes)]


@contextmanager
def _open_regular_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file without waiting for a writer, as a pipe would; yield it with its size in bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _require_regular(status.st_mode)
            yield file, status.st_size
    except OSError as error:
        raise InvalidCheckpoint(path, f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a NUL in the name
        raise InvalidCheckpoint(path, f"cannot be read ({error})") from error


def _require_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, FILE_KINDS.get(stat.S_IFMT(mode), "it is not a regular file"))


def _parse_json_object(content: bytes, path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidCheckpoint(path, f"is not JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise InvalidCheckpoint(path, "is not a JSON object")
    if b"\\u" in content and not _is_encodable(parsed):
        raise InvalidCheckpoint(path, "is not JSON (it has half of a character, a lone surrogate)")
    return parsed


def _is_encodable(parsed: dict[str, Any]) -> bool:
    """Return whether every text can be sent: JSON can escape halves of characters, which UTF-8 cannot hold."""
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_entry(name: str, entry: Any, data_bytes: int, file: Path) -> TensorInfo:
    name = name[:MAX_NAME_CHARACTERS]
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]} if _is_shape(shape):
            pass
        case _:
            raise InvalidCheckpoint(file, f"has a malformed entry for {name}")
    if not 0 <= start <= end:
        raise InvalidCheckpoint(file, f"has a malformed entry for {name}")
    if end > data_bytes:
        raise InvalidCheckpoint(file, f"is cut short: {name} ends {end - data_bytes} bytes after the end of the file")
    if dtype in DTYPE_BITS and (end - start) * 8 != math.prod(shape) * DTYPE_BITS[dtype]:
        raise InvalidCheckpoint(
            file, f"declares {end - start} bytes for {name}, which do not match {dtype} of shape {shape}"
        )
    return TensorInfo(dtype, tuple(shape), end - start)


def _is_shape(shape: list[Any]) -> bool:
    return len(shape) <= MAX_DIMENSIONS and all(isinstance(side, int) and 0 <= side <= MAX_COUNT for side in shape)


def _parse_zip_directory(directory: bytes, count: int, path: Path) -> Iterator[str]:
    position = 0
    for _ in range(count):
        if len(directory) - position < ZIP_ENTRY.size or directory[position : position + 4] != b"PK\1\2":
            raise InvalidCheckpoint(path, "is not an .npz file, or is cut short")
        _, name_bytes, extra_bytes, comment_bytes = ZIP_ENTRY.unpack_from(directory, position)
        position += ZIP_ENTRY.size
        yield directory[position : position + name_bytes].decode("utf-8", "replace")
        position += name_bytes + extra_bytes + comment_bytes
