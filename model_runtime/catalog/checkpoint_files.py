"""Read the metadata of a checkpoint: `config.json`, the shard index and all tensors of its safetensors files."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from model_runtime.catalog.foreign_files import (
    MAX_CONFIG_BYTES,
    InvalidCheckpoint,
    TensorInfo,
    is_there,
    list_files,
    read_header,
    read_json_object,
    signature,
)

CONFIG_FILE = "config.json"
INDEX_FILE = "model.safetensors.index.json"


def read_config(folder: Path) -> Mapping[str, Any]:
    """Return config.json, which is read again only when it has changed.

    Raises:
        InvalidCheckpoint: the file is missing, too large or not a JSON object.
    """
    return dict(_read_config(folder / CONFIG_FILE, signature(folder / CONFIG_FILE)))


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
    files = shards or {file for file in _safetensors_files(folder) if file.name != "consolidated.safetensors"}
    if not files:
        raise InvalidCheckpoint(folder, "has no safetensors files")
    for file in sorted(files):
        if not is_there(file):
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
        raise InvalidCheckpoint(folder, f"lacks {len(missing)} tensors of its index, such as {missing[0][:100]}")
    return tensors


@lru_cache(maxsize=64)
def _read_config(path: Path, _signature: tuple[int, int, int]) -> Mapping[str, Any]:
    return read_json_object(path, MAX_CONFIG_BYTES)


def _safetensors_files(folder: Path) -> list[Path]:
    return list_files(folder, (".safetensors",), depth=1)


def _read_index(folder: Path) -> Mapping[str, str]:
    """Return tensor → file name of the index; empty without an index."""
    index = folder / INDEX_FILE
    if not is_there(index):
        return {}
    file_by_tensor = _read_weight_map(index, signature(index))
    # some published conversions keep the index of the original, which lists none of their own files
    names = set(file_by_tensor.values())
    is_foreign = _safetensors_files(folder) and not any(is_there(folder / name) for name in names)
    return {} if is_foreign else file_by_tensor


@lru_cache(maxsize=64)
def _read_weight_map(index: Path, _signature: tuple[int, int, int]) -> Mapping[str, str]:
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise InvalidCheckpoint(index, "has no weight_map of file names")
    return {tensor: Path(name).name for tensor, name in weight_map.items()}
