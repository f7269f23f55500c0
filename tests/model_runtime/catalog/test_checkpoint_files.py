"""Headers of safetensors files: exact sizes, and a clear sentence for every way a download can be broken."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.catalog import foreign_files
from model_runtime.catalog.checkpoint_files import read_config, read_config_or_empty, read_tensors, weight_files
from model_runtime.catalog.foreign_files import InvalidCheckpoint, TensorInfo, read_header
from model_runtime.catalog.weight_file import WeightFile, read_weight_file


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


# -- sizes and limits -------------------------------------------------------------------------------------------------

BITS = {
    "F64": 64,
    "I64": 64,
    "U64": 64,
    "C64": 64,
    "F32": 32,
    "I32": 32,
    "U32": 32,
    "F16": 16,
    "BF16": 16,
    "I16": 16,
    "U16": 16,
    "I8": 8,
    "U8": 8,
    "BOOL": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
}


def read_one(folder: Path, header: Mapping[str, Any] | bytes, data_bytes: int = 0) -> dict[str, TensorInfo]:
    """Write a safetensors file with this header and so many bytes of data, and read its header."""
    return dict(read_header(write_file(folder / "model.safetensors", header, bytes(data_bytes))))


@pytest.mark.parametrize(("dtype", "bits"), BITS.items())
def test_a_tensor_has_as_many_bytes_as_its_shape_and_dtype_say(tmp_path: Path, dtype: str, bits: int) -> None:
    read = read_one(tmp_path, {"a": entry([2, 4], 0, bits, dtype)}, bits)

    assert read == {"a": TensorInfo(dtype, (2, 4), bits)}
    with pytest.raises(InvalidCheckpoint, match="do not match"):
        read_one(tmp_path, {"a": entry([2, 4], 0, bits + 1, dtype)}, bits + 1)


@pytest.mark.parametrize(("dtype", "factor"), [("F16", 2), ("BF16", 2), ("F32", 1), ("I16", 1)])
def test_half_precision_has_twice_the_bytes_as_float32(dtype: str, factor: int) -> None:
    assert TensorInfo(dtype, (1,), 100).float32_bytes == 100 * factor


def test_the_limits_of_foreign_files_are_these() -> None:
    assert foreign_files.MAX_CONFIG_BYTES == 4_000_000
    assert foreign_files.MAX_JSON_BYTES == foreign_files.MAX_HEADER_BYTES == 5_000_000
    assert (foreign_files.MAX_NPZ_ARRAYS, foreign_files.MAX_NPZ_DIRECTORY_BYTES) == (10_000, 4_000_000)
    assert (foreign_files.MAX_FILES, foreign_files.MAX_DEPTH, foreign_files.MAX_DIMENSIONS) == (10_000, 3, 16)
    assert (foreign_files.MAX_NAME_CHARACTERS, foreign_files.MAX_COUNT) == (100, 2**53)


def test_the_smallest_header_is_an_empty_object(tmp_path: Path) -> None:
    assert read_one(tmp_path, b"{}") == {}
    with pytest.raises(InvalidCheckpoint, match=r"incomplete \(header says 1 bytes, file has 9\)"):
        read_one(tmp_path, b"1")


def test_a_header_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_files, "MAX_HEADER_BYTES", 10)

    assert read_one(tmp_path, b"{}".ljust(10)) == {}
    with pytest.raises(InvalidCheckpoint, match="has a header of"):
        read_one(tmp_path, b"{}".ljust(11))


def test_an_empty_tensor_has_no_bytes(tmp_path: Path) -> None:
    assert read_one(tmp_path, {"a": entry([0], 4, 4), "b": entry([1], 0, 4)}, 4)["a"].size_bytes == 0


@pytest.mark.parametrize(
    "bad",
    [
        entry([1], -4, 0),
        entry([1.5], 0, 4),  # type: ignore[list-item]
        entry([1] * 17, 0, 4),
        entry([2**53 + 1], 0, 4, "NEW"),
        {"dtype": 1, "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
    ],
)
def test_a_malformed_entry_is_named(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidCheckpoint, match=r"has a malformed entry for a{100}\."):
        read_one(tmp_path, {"a" * 101: bad}, 4)


def test_16_dimensions_the_largest_count_and_an_unknown_dtype_are_accepted(tmp_path: Path) -> None:
    read = read_one(tmp_path, {"a": entry([1] * 16, 0, 4), "b": entry([2**53], 0, 4, "NEW")}, 4)

    assert [len(tensor.shape) for tensor in read.values()] == [16, 1]


def test_a_json_file_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')

    assert foreign_files.read_json_object(tmp_path / "a.json", 8) == {"a": 1}
    with pytest.raises(InvalidCheckpoint, match="are read"):
        foreign_files.read_json_object(tmp_path / "a.json", 7)


def test_a_text_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"text")

    assert foreign_files.read_text(tmp_path / "a.txt", 4) == "text"
    with pytest.raises(InvalidCheckpoint, match="is longer than"):
        foreign_files.read_text(tmp_path / "a.txt", 3)


def write_npz(path: Path, names: Sequence[str], comment: bytes = b"") -> Path:
    """Write a ZIP file of small members, each with an extra field and a comment of its own."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = comment
        for name in names:
            member = zipfile.ZipInfo(f"{name}.npy")
            member.extra, member.comment = b"\xff\xff\x02\x00ab", b"a comment"
            archive.writestr(member, b"x")
    return path


@pytest.mark.parametrize("comment", [b"", b"c" * 65_535])
def test_the_arrays_of_an_archive_are_listed_whatever_its_comments(tmp_path: Path, comment: bytes) -> None:
    file = write_npz(tmp_path / "a.npz", ["b", "a", "c"], comment)

    assert foreign_files.read_npz_names(file) == ("a", "b", "c")


def test_an_archive_may_list_as_many_arrays_as_the_limit_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_files, "MAX_NPZ_ARRAYS", 2)

    assert foreign_files.read_npz_names(write_npz(tmp_path / "two.npz", ["a", "b"])) == ("a", "b")
    with pytest.raises(InvalidCheckpoint, match="lists 3 arrays, and at most 2 are read"):
        foreign_files.read_npz_names(write_npz(tmp_path / "three.npz", ["a", "b", "c"]))


def test_an_archive_may_have_a_directory_as_long_as_the_limit_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_npz(tmp_path / "a.npz", ["a"])
    directory_bytes = 46 + len("a.npy") + 6 + len("a comment")

    monkeypatch.setattr(foreign_files, "MAX_NPZ_DIRECTORY_BYTES", directory_bytes)
    assert foreign_files.read_npz_names(file) == ("a",)
    monkeypatch.setattr(foreign_files, "MAX_NPZ_DIRECTORY_BYTES", directory_bytes - 1)
    with pytest.raises(InvalidCheckpoint, match="lists 1 arrays"):
        foreign_files.read_npz_names(file)


@pytest.mark.parametrize("kept", [21, 100])
def test_an_archive_that_was_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    content = write_npz(tmp_path / "a.npz", ["a"]).read_bytes()
    (tmp_path / "end.npz").write_bytes(content[-22:][:kept])
    (tmp_path / "start.npz").write_bytes(content[:kept])

    for name in ("end.npz", "start.npz"):
        with pytest.raises(InvalidCheckpoint, match="is not an .npz file, or is cut short"):
            foreign_files.read_npz_names(tmp_path / name)


def test_files_are_listed_to_a_depth_and_a_folder_with_such_a_name_is_listed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1.json", "a/2.json", "a/b/3.json", "a/b/c/4.json", "a/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.json").mkdir()

    def names(*suffixes: str, depth: int = 3) -> list[str]:
        return [path.name for path in foreign_files.list_files(tmp_path, suffixes, depth=depth)]

    assert names(".json") == ["1.json", "2.json", "3.json", "folder.json"]
    assert names(".json", depth=1) == ["1.json", "folder.json"]
    assert names("", depth=2) == ["1.json", "2.json", "note.txt"]
    assert foreign_files.list_files(tmp_path)[2].name == "3.json"
    monkeypatch.setattr(foreign_files, "MAX_FILES", 2)
    assert len(names("")) == 2


def test_a_file_that_is_not_there_has_a_signature_of_zeros_and_another_changes_with_its_size(tmp_path: Path) -> None:
    file = tmp_path / "a"
    missing = foreign_files.signature(file)
    file.write_bytes(b"abc")

    assert missing == foreign_files.signature(Path("a\0b")) == (0, 0, 0)
    assert foreign_files.signature(file) == (file.stat().st_ino, 3, file.stat().st_mtime_ns)


def test_a_value_of_another_type_in_a_configuration_counts_as_absent() -> None:
    config = {"text": "a", "object": {"b": 1}, "texts": ["a", 1, "b"], "number": 2}

    assert [foreign_files.string_at(config, key) for key in ("text", "number", "no")] == ["a", "", ""]
    assert [foreign_files.object_at(config, key) for key in ("object", "text", "no")] == [{"b": 1}, {}, {}]
    assert [foreign_files.strings_at(config, key) for key in ("texts", "text", "no")] == [["a", "b"], [], []]


@pytest.mark.parametrize(("value", "count"), [(1, 1), (2**53, 2**53), (2**53 + 2, 0), (0, 0), (0.5, 0), (True, 0)])
def test_a_count_is_at_least_one_and_at_most_its_limit(value: float, count: int) -> None:
    assert foreign_files.count_at({"n": value}, "n") == count


def test_a_file_of_weights_counts_its_tensors_as_stored_and_as_float32(tmp_path: Path) -> None:
    header = {"a": entry([4], 0, 8, "F16"), "b": entry([2], 8, 16)}
    good = write_file(tmp_path / "good.safetensors", header, bytes(16))
    cut = write_file(tmp_path / "cut.safetensors", header, bytes(10))
    arrays = write_npz(tmp_path / "a.npz", ["a"])

    assert read_weight_file(good) == WeightFile(16, 24)
    assert read_weight_file(arrays) == WeightFile(arrays.stat().st_size, arrays.stat().st_size)
    assert (read_weight_file(cut).size_bytes, read_weight_file(cut).float32_bytes) == (cut.stat().st_size,) * 2
    assert "is cut short" in read_weight_file(cut).problem


def test_a_folder_without_weights_and_an_index_without_file_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match="has no safetensors files"):
        weight_files(tmp_path)
    for index in ("{}", '{"weight_map": {"a": 1}}', '{"weight_map": ["a"]}'):
        (tmp_path / "model.safetensors.index.json").write_text(index)
        with pytest.raises(InvalidCheckpoint, match="has no weight_map of file names"):
            weight_files(tmp_path)


def test_a_configuration_is_read_again_only_when_it_has_changed_and_a_broken_one_may_count_as_empty(
    tmp_path: Path,
) -> None:
    missing = read_config_or_empty(tmp_path)
    (tmp_path / "config.json").write_text('{"a": 1}')

    assert missing == {}
    assert read_config_or_empty(tmp_path) == read_config(tmp_path) == {"a": 1}


def test_the_consolidated_file_beside_the_shards_is_not_loaded(tmp_path: Path) -> None:
    for name in ("consolidated.safetensors", "model-1.safetensors", "model-2.safetensors"):
        write_file(tmp_path / name, {"a": entry([1], 0, 4)}, bytes(4))

    assert [file.name for file in weight_files(tmp_path)] == ["model-1.safetensors", "model-2.safetensors"]


def test_an_error_names_a_file_in_one_line_whatever_its_name_holds() -> None:
    error = InvalidCheckpoint(Path("/m/a\nb\udcff"), "is missing")

    assert str(error).startswith("/m/a\\nb\\udcff is missing. Download")


def test_an_error_quotes_a_path_whole_or_its_two_ends() -> None:
    half = foreign_files.MAX_PATH_CHARACTERS // 2
    longest = "a" * half + "b" * half

    whole, cut = (
        str(InvalidCheckpoint(Path(path), "is bad")) for path in (longest, longest[:half] + "-" + longest[half:])
    )

    assert foreign_files.MAX_PATH_CHARACTERS == 600
    assert whole.startswith(f"{longest} is bad.")
    assert cut.startswith(f"{longest[:half]}…{longest[half:]} is bad.")


def test_an_archive_whose_directory_is_damaged_is_refused_and_counts_with_its_size(tmp_path: Path) -> None:
    file = write_npz(tmp_path / "a.npz", ["a"])
    file.write_bytes(file.read_bytes().replace(b"PK\1\2", b"PK\1\3"))

    weights = read_weight_file(file)

    assert weights.size_bytes == weights.float32_bytes == file.stat().st_size
    assert "is not an .npz file, or is cut short" in weights.problem


def test_a_changed_index_is_read_again(tmp_path: Path) -> None:
    for name in ("old.safetensors", "newer.safetensors"):
        (tmp_path / name).write_bytes(b"")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "old.safetensors"}}')
    files = [weight_files(tmp_path)]

    index.write_text('{"weight_map": {"a": "newer.safetensors"}}')
    files.append(weight_files(tmp_path))

    assert files == [(tmp_path / "old.safetensors",), (tmp_path / "newer.safetensors",)]
