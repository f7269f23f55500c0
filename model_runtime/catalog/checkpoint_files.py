"""Read the metadata of a checkpoint: `config.json`, the shard index and the headers of safetensors files.

Uses the standard library only. A safetensors file starts with the length of its header (8 bytes, little-endian) and
the header (JSON: name → dtype, shape, data offsets): https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_runtime.errors import LoadFailed

INDEX_FILE = "model.safetensors.index.json"
HEADER_LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""Limit of the safetensors library."""
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


class InvalidCheckpoint(LoadFailed):
    """A file of a model is missing, truncated or malformed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}. Download the model again; if that does not help, delete its folder first.")
        self.path = path


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


def read_config(folder: Path) -> Mapping[str, Any]:
    """Return config.json.

    Raises:
        InvalidCheckpoint: the file is missing or not a JSON object.
    """
    return _read_json_object(folder / "config.json")


def read_config_or_empty(folder: Path) -> Mapping[str, Any]:
    """Return config.json, or {} if it cannot be read."""
    try:
        return read_config(folder)
    except InvalidCheckpoint:
        return {}


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that the libraries load: those of the index, or without one all safetensors files.

    Raises:
        InvalidCheckpoint: a file is missing, or the folder has none.
    """
    shards = {folder / name for name in set(_read_index(folder).values())}
    files = shards or {file for file in folder.glob("*.safetensors") if file.name != "consolidated.safetensors"}
    if not files:
        raise InvalidCheckpoint(folder, "has no safetensors files")
    for file in sorted(files):
        if not file.exists():
            raise InvalidCheckpoint(file, "is missing, but the index lists it")
    return tuple(sorted(files))


def read_tensors(folder: Path) -> dict[str, TensorInfo]:
    """Return all tensors of a checkpoint by name.

    Raises:
        InvalidCheckpoint: a file is missing, truncated or malformed, or a tensor of the index is missing.
    """
    tensors = {name: tensor for file in weight_files(folder) for name, tensor in read_header(file)}
    missing = sorted(set(_read_index(folder)) - set(tensors))
    if missing:
        raise InvalidCheckpoint(folder, f"lacks {len(missing)} tensors of its index, such as {missing[0]}")
    return tensors


def _read_index(folder: Path) -> Mapping[str, str]:
    """Return tensor → file name of the index; empty without an index."""
    index = folder / INDEX_FILE
    if not index.exists():
        return {}
    weight_map = _read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise InvalidCheckpoint(index, "has no weight_map of file names")
    file_by_tensor = {tensor: Path(name).name for tensor, name in weight_map.items()}
    has_weights = any(folder.glob("*.safetensors"))
    # some published conversions keep the index of the original, which lists none of their own files
    is_foreign = has_weights and not any((folder / name).exists() for name in file_by_tensor.values())
    return {} if is_foreign else file_by_tensor


def read_header(file: Path) -> Iterator[tuple[str, TensorInfo]]:
    """Yield the name and description of every tensor of a safetensors file.

    Raises:
        InvalidCheckpoint: the header or an entry is malformed, or the file is truncated.
    """
    file_bytes = file.stat().st_size
    with file.open("rb") as stream:
        header_bytes = int.from_bytes(stream.read(HEADER_LENGTH_BYTES), "little")
        if not 2 <= header_bytes <= min(MAX_HEADER_BYTES, file_bytes - HEADER_LENGTH_BYTES):
            raise InvalidCheckpoint(file, f"is incomplete (header says {header_bytes} bytes, file has {file_bytes})")
        header = _parse_json_object(stream.read(header_bytes), file)
    header.pop("__metadata__", None)
    data_bytes = file_bytes - HEADER_LENGTH_BYTES - header_bytes
    for name, entry in header.items():
        yield name, _parse_entry(name, entry, data_bytes, file)


def _parse_entry(name: str, entry: Any, data_bytes: int, file: Path) -> TensorInfo:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise InvalidCheckpoint(file, f"has a malformed entry for {name}")
    if not all(isinstance(dimension, int) and dimension >= 0 for dimension in shape) or not 0 <= start <= end:
        raise InvalidCheckpoint(file, f"has a malformed entry for {name}")
    if end > data_bytes:
        raise InvalidCheckpoint(file, f"is cut short: {name} ends {end - data_bytes} bytes after the end of the file")
    if dtype in DTYPE_BITS and (end - start) * 8 != math.prod(shape) * DTYPE_BITS[dtype]:
        raise InvalidCheckpoint(
            file, f"declares {end - start} bytes for {name}, which do not match {dtype} of shape {shape}"
        )
    return TensorInfo(dtype, tuple(shape), end - start)


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        return _parse_json_object(path.read_bytes(), path)
    except OSError as error:
        raise InvalidCheckpoint(path, f"cannot be read ({error.strerror})") from error


def _parse_json_object(content: bytes, path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidCheckpoint(path, f"is not JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise InvalidCheckpoint(path, "is not a JSON object")
    return parsed
