"""What a file of weights holds: its size, and why it cannot be used. Read once for each state of the file."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from model_runtime.catalog.foreign_files import InvalidCheckpoint, read_header, read_npz_names, signature

WEIGHT_SUFFIXES = (".safetensors", ".npz")
ONNX_SUFFIXES = (".onnx",)
"""Counted only where a folder has no other weights: repositories keep several formats side by side."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """Sizes of the tensors in bytes, as stored and widened to float32; `problem` is empty if the file can be used."""

    size_bytes: int
    float32_bytes: int
    problem: str = ""


def read_weight_file(path: Path) -> WeightFile:
    """Return what a file of weights holds. A file that cannot be read counts with its size."""
    return _read(path, signature(path))


@lru_cache(maxsize=1024)
def _read(path: Path, signature: tuple[int, int, int]) -> WeightFile:
    _, file_bytes, _ = signature
    try:
        if path.suffix in ONNX_SUFFIXES:
            return WeightFile(file_bytes, file_bytes)
        if path.suffix != ".safetensors":
            read_npz_names(path)
            return WeightFile(file_bytes, file_bytes)
        tensors = [tensor for _, tensor in read_header(path)]
    except InvalidCheckpoint as error:
        return WeightFile(file_bytes, file_bytes, str(error))
    return WeightFile(sum(tensor.size_bytes for tensor in tensors), sum(tensor.float32_bytes for tensor in tensors))
