"""What a checkpoint's files say without loading them: configuration, tensors, and the memory they will take.

Reads `config.json`, the shard index and the headers of safetensors files with the standard library only. A
safetensors file is eight bytes with the length of a JSON header, the header (name → dtype, shape and offsets into
the rest), and the data: https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_runtime.errors import LoadFailed

INDEX = "model.safetensors.index.json"
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Size of one number by its name in the header."""
HALF = ("F16", "BF16")


class BrokenCheckpoint(LoadFailed):
    """Files of a model are missing, cut short or not what they claim to be."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}. Download the model again, or remove the folder and pull it anew.")
        self.path = path


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of a header."""

    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def full_bytes(self) -> int:
        """What it takes in memory where half precision is widened to full."""
        return 2 * self.size_bytes if self.dtype in HALF else self.size_bytes


def read_config(folder: Path) -> Mapping[str, Any]:
    """Return config.json.

    Raises:
        BrokenCheckpoint: it is missing or not a JSON object.
    """
    return _read_object(folder / "config.json")


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files the libraries would load: those of the index, else every safetensors file of the folder.

    Some published conversions keep the index of their original, which names none of their own files; it is ignored.

    Raises:
        BrokenCheckpoint: there are none, or some that the index names are missing.
    """
    shards = {folder / name for name in set(_index(folder).values())}
    files = shards or {file for file in folder.glob("*.safetensors") if file.name != "consolidated.safetensors"}
    if not files:
        raise BrokenCheckpoint(folder, "has no safetensors files")
    for file in sorted(files):
        if not file.exists():
            raise BrokenCheckpoint(file, "is missing, though the index names it")
    return tuple(sorted(files))


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint by name.

    Raises:
        BrokenCheckpoint: a file is missing, cut short or malformed, or lacks a tensor that the index promises.
    """
    tensors = {name: tensor for file in weight_files(folder) for name, tensor in read_header(file)}
    absent = sorted(set(_index(folder)) - set(tensors))
    if absent:
        raise BrokenCheckpoint(folder, f"lacks {len(absent)} tensors of its index, such as {absent[0]}")
    return tensors


def _index(folder: Path) -> Mapping[str, str]:
    """Tensor → file name, as the index says; empty where there is none, or where it is that of other files."""
    index = folder / INDEX
    if not index.exists():
        return {}
    shards = _read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise BrokenCheckpoint(index, "has no weight_map of file names")
    named = {tensor: Path(name).name for tensor, name in shards.items()}
    others = any(folder.glob("*.safetensors"))
    is_foreign = others and not any((folder / name).exists() for name in named.values())
    return {} if is_foreign else named


def read_header(file: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield name and tensor of every entry of one file.

    Raises:
        BrokenCheckpoint: the header is not one, an entry contradicts itself, or the file ends before its data.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - LENGTH_BYTES):
            raise BrokenCheckpoint(file, f"is no safetensors file: its header would be {length} of {size} bytes")
        header = _parse_object(stream.read(length), file)
    header.pop("__metadata__", None)
    room = size - LENGTH_BYTES - length
    for name, entry in header.items():
        yield name, _tensor(name, entry, room, file)


def _tensor(name: str, entry: Any, room: int, file: Path) -> Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise BrokenCheckpoint(file, f"has a malformed entry for {name}")
    if not all(isinstance(side, int) and side >= 0 for side in shape) or not 0 <= start <= end:
        raise BrokenCheckpoint(file, f"has a malformed entry for {name}")
    if end > room:
        raise BrokenCheckpoint(file, f"is cut short: {name} ends {end - room} bytes after the end of the file")
    if dtype in BITS and (end - start) * 8 != math.prod(shape) * BITS[dtype]:
        raise BrokenCheckpoint(file, f"says that {name} is {dtype} of {shape} in {end - start} bytes, which is wrong")
    return Tensor(dtype, tuple(shape), end - start)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return _parse_object(path.read_bytes(), path)
    except OSError as error:
        raise BrokenCheckpoint(path, f"cannot be read ({error.strerror})") from error


def _parse_object(content: bytes, path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BrokenCheckpoint(path, f"is not JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise BrokenCheckpoint(path, "is not a JSON object")
    return parsed
