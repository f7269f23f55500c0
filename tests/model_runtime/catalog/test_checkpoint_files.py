"""Headers of safetensors files: exact sizes, and a clear sentence for every way a download can be broken."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.catalog.checkpoint_files import read_config, read_tensors, weight_files
from model_runtime.catalog.foreign_files import InvalidCheckpoint, read_header


def write_file(path: Path, header: Mapping[str, Any] | bytes, data: bytes = b"") -> Path:
    """Write a safetensors file with this header, honest or not."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + data)
    return path


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    """One entry of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_weights_count_every_tensor_of_every_shard_once(tmp_path: Path) -> None:
    write_file(
        tmp_path / "model-1.safetensors", {"a": entry([2, 3], 0, 24), "__metadata__": {"format": "mlx"}}, b"x" * 24
    )
    write_file(tmp_path / "model-2.safetensors", {"b": entry([4], 0, 8, "BF16")}, b"x" * 8)
    write_file(tmp_path / "consolidated.safetensors", {"b": entry([4], 0, 8, "BF16")}, b"x" * 8)

    assert sum(tensor.size_bytes for tensor in read_tensors(tmp_path).values()) == 32


def test_the_index_decides_which_files_are_loaded(tmp_path: Path) -> None:
    write_file(tmp_path / "new.safetensors", {"a": entry([1], 0, 4)}, b"x" * 4)
    write_file(tmp_path / "old.safetensors", {"a": entry([1], 0, 4)}, b"x" * 4)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "new.safetensors"}}')

    assert [file.name for file in weight_files(tmp_path)] == ["new.safetensors"]


def test_the_index_of_the_original_is_ignored_where_a_conversion_kept_it(tmp_path: Path) -> None:
    write_file(tmp_path / "model-00001-of-00001.safetensors", {"a.weight": entry([2], 0, 8)}, b"x" * 8)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001-of-00005.safetensors"}}')

    assert list(read_tensors(tmp_path)) == ["a.weight"]


@pytest.mark.promise("models:broken-download")
def test_a_shard_that_was_not_downloaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00002.safetensors"}}')

    with pytest.raises(InvalidCheckpoint, match=r"model-00002\.safetensors is missing.*Download the model again"):
        read_tensors(tmp_path)


@pytest.mark.promise("models:broken-download")
def test_a_file_that_was_cut_short_is_named_with_the_missing_bytes(tmp_path: Path) -> None:
    write_file(tmp_path / "model.safetensors", {"a": entry([10], 0, 40)}, b"x" * 30)

    with pytest.raises(InvalidCheckpoint, match=r"cut short: a ends 10 bytes after"):
        read_tensors(tmp_path)


def test_a_tensor_that_the_index_promises_must_be_there(tmp_path: Path) -> None:
    write_file(tmp_path / "model.safetensors", {"a": entry([1], 0, 4)}, b"x" * 4)
    places = {"a": "model.safetensors", "layers.7.weight": "model.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    with pytest.raises(InvalidCheckpoint, match=r"lacks 1 tensors of its index, such as layers\.7\.weight"):
        read_tensors(tmp_path)


def test_a_path_in_the_index_never_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_file(tmp_path / "secret.safetensors", {"a": entry([1], 0, 4)}, b"x" * 4)
    (tmp_path / "model" / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../secret.safetensors"}}')

    with pytest.raises(InvalidCheckpoint, match="missing"):
        weight_files(tmp_path / "model")


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry([2], 0, 4)},
        {"a": entry([-1], 0, 4)},
        {"a": entry([1], 4, 0)},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": 1},
        [1],
        b"{",
        b"\xff\xfe{}",
    ],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path, header: Any) -> None:
    file = write_file(tmp_path / "model.safetensors", header, b"x" * 16)

    with pytest.raises(InvalidCheckpoint):
        list(read_header(file))


@given(content=st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.safetensors"
    file.write_bytes(content)

    try:
        tensors = dict(read_header(file))
    except InvalidCheckpoint:
        return
    assert sum(tensor.size_bytes for tensor in tensors.values()) <= len(content)


def test_a_model_without_configuration_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match=r"config\.json cannot be read"):
        read_config(tmp_path)
