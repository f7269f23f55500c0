"""Presence is told from the cache's files, without the library and without a network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.catalog.model import ModelArtifact
from model_runtime.hub.cache import HubCache, filter_by_patterns, hub_folder

ARTIFACT = ModelArtifact("model", "lab/painter", "main", ("*.json", "*.safetensors"), 1)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def snapshot(cache: Path, *files: str) -> Path:
    """A repository that was downloaded by something that kept no listing."""
    repository = cache / "models--lab--painter"
    folder = repository / "snapshots" / COMMIT
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{}")
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return folder


def test_nothing_is_found_in_a_cache_that_does_not_exist(tmp_path: Path) -> None:
    assert HubCache(tmp_path / "none").find(ARTIFACT) is None
    assert HubCache(tmp_path).find(ARTIFACT) is None


def test_a_download_without_a_listing_counts_where_there_are_weights(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "config.json", "model.safetensors")

    assert HubCache(tmp_path).find(ARTIFACT) == folder


@pytest.mark.parametrize("files", [(), ("config.json",)])
def test_a_download_without_weights_does_not_count(tmp_path: Path, files: tuple[str, ...]) -> None:
    snapshot(tmp_path, *files)

    assert HubCache(tmp_path).find(ARTIFACT) is None


def test_an_index_that_names_only_files_of_another_model_is_ignored(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1-of-5.safetensors"}}')

    assert HubCache(tmp_path).find(ARTIFACT) == folder


@pytest.mark.parametrize(
    "index",
    ['{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}', "[]", "{}", "cut o"],
)
def test_a_download_whose_index_names_a_missing_shard_does_not_count(tmp_path: Path, index: str) -> None:
    folder = snapshot(tmp_path, "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)

    assert HubCache(tmp_path).find(ARTIFACT) is None


@pytest.mark.parametrize("listing", ["[]", "{", '{"format_version": 2, "files": {}}', '{"format_version": 1}'])
def test_a_listing_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, listing: str) -> None:
    folder = snapshot(tmp_path, "model.safetensors")
    (folder.parents[1] / "trees").mkdir()
    (folder.parents[1] / "trees" / f"{COMMIT}.json").write_text(listing)

    assert HubCache(tmp_path).find(ARTIFACT) == folder


def test_a_repository_without_the_wanted_files_does_not_count(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "model.safetensors")
    (folder.parents[1] / "trees").mkdir()
    listing = {"format_version": 1, "files": {"model.bin": {"size": 1, "blob_id": "a"}}}
    (folder.parents[1] / "trees" / f"{COMMIT}.json").write_text(json.dumps(listing))

    assert HubCache(tmp_path).find(ARTIFACT) is None


NAMES = st.text("ab./", min_size=1, max_size=8)
PATTERNS = st.text("ab./*?", min_size=1, max_size=6).filter(lambda pattern: not pattern.endswith("/"))


@given(st.lists(NAMES), st.lists(PATTERNS, min_size=1))
def test_patterns_mean_what_they_mean_to_the_library(files: list[str], patterns: list[str]) -> None:
    assert filter_by_patterns(files, patterns) == list(filter_repo_objects(files, allow_patterns=patterns))


@pytest.mark.process
@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HF_HOME": "/somewhere/hf"},
        {"HF_HUB_CACHE": "/elsewhere/hub"},
        {"HUGGINGFACE_HUB_CACHE": "/elsewhere/old"},
        {"XDG_CACHE_HOME": "/caches"},
        {"HF_HOME": "~/models", "XDG_CACHE_HOME": "/caches"},
    ],
)
def test_the_cache_is_where_the_library_keeps_it(environ: dict[str, str]) -> None:
    environ = {"HOME": "/home/someone", **environ}
    program = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"

    library = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    ).stdout.strip()
    own = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; from model_runtime.hub.cache import hub_folder; print(hub_folder(os.environ))",
        ],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    ).stdout.strip()

    assert own == library
    assert hub_folder({"HF_HUB_CACHE": "/x"}) == Path("/x")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "~/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/cache", "HF_HOME": "/hf"}, "/hf/hub"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
        ({"HF_HUB_CACHE": "~/new", "HUGGINGFACE_HUB_CACHE": "/old"}, "~/new"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(environ: dict[str, str], folder: str) -> None:
    assert hub_folder(environ) == Path(folder).expanduser()
