"""Models come from the hub whole, with progress, and every way that can fail is one sentence that helps."""

import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from model_runtime.catalog.builtin_models import BUILTIN_MODELS
from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.errors import Cancelled
from model_runtime.hub.cache import HubCache
from model_runtime.hub.download import UNPINNED_ARTIFACTS, DiskFull, PullFailed, pull
from model_runtime.hub.newer import NewerCommit, newer_commits
from model_runtime.hub.progress import DownloadProgress
from model_runtime.hub.version import Version
from model_runtime.requests import Task
from tests.fake_hub import COMMIT, FakeHub, serve

FILES = {
    "lab/painter": {
        "config.json": b"{}",
        "transformer/0.safetensors": b"weights" * 1000,
        "vae/0.safetensors": b"pixels" * 500,
        "README.md": b"a card nobody loads",
    },
    "lab/words": {"tokenizer.json": b"[]"},
}
PAINTER = ModelArtifact("model", "lab/painter", "main", ("*.json", "*/*.safetensors"), 10_000)
WORDS = ModelArtifact("tokenizer", "lab/words", "v1", ("tokenizer*",), 2)
MODEL = Model("image-fast", Task.IMAGE, "mflux", "", (PAINTER, WORDS))


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests switch the library's network off for the whole process."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub() -> Generator[FakeHub]:
    """A hub with both repositories."""
    with serve(FakeHub(FILES)) as hub:
        yield hub


def pulled(hub: FakeHub, cache: Path, model: Model = MODEL) -> list[DownloadProgress]:
    """Pull and return the progress."""
    told: list[DownloadProgress] = []
    pull(model, cache, told.append, endpoint=hub.address)
    return told


@pytest.mark.promise("hub:pull")
def test_a_pull_brings_the_files_the_model_needs_and_no_others(hub: FakeHub, tmp_path: Path) -> None:
    folders = pull(MODEL, tmp_path, lambda pulled: None, endpoint=hub.address)

    assert (folders["model"] / "transformer" / "0.safetensors").read_bytes() == b"weights" * 1000
    assert (folders["tokenizer"] / "tokenizer.json").read_bytes() == b"[]"
    assert not (folders["model"] / "README.md").exists()
    assert HubCache(tmp_path).find(PAINTER) == folders["model"]
    assert all(map(HubCache(tmp_path).find, MODEL.artifacts))


@pytest.mark.promise("hub:progress")
def test_progress_goes_up_to_the_bytes_of_the_whole_model(hub: FakeHub, tmp_path: Path) -> None:
    told = pulled(hub, tmp_path)

    done = [progress.done_bytes for progress in told]
    assert done == sorted(done)
    assert {progress.total_bytes for progress in told} == {10_004}
    assert told[-1] == DownloadProgress("tokenizer.json", 10_004, 10_004)


@pytest.mark.promise("hub:resume")
def test_an_interrupted_pull_goes_on_with_the_files_that_are_missing(hub: FakeHub, tmp_path: Path) -> None:
    def report(progress: DownloadProgress) -> None:
        if progress.file == "vae/0.safetensors":
            raise Cancelled("gone")

    with pytest.raises(Cancelled):
        pull(MODEL, tmp_path, report, endpoint=hub.address)
    before = HubCache(tmp_path).find(PAINTER)
    hub.requests.clear()
    told = pulled(hub, tmp_path)

    assert before is None
    assert hub.downloaded_files() == ["0.safetensors", "tokenizer.json"]
    assert told[0].done_bytes == 10_002
    assert not list(tmp_path.rglob("*.incomplete"))


def test_what_is_complete_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    pulled(hub, tmp_path)
    hub.requests.clear()

    assert pulled(hub, tmp_path) == []
    assert hub.downloaded_files() == []


NEWER = "beef" + "0" * 36


@pytest.mark.promise("reliability:newer-offered")
@pytest.mark.parametrize("shipped", ["main", COMMIT])
def test_a_newer_commit_is_told_and_taken_only_when_asked_for(hub: FakeHub, tmp_path: Path, shipped: str) -> None:
    artifact = replace(PAINTER, revision=shipped)
    model, cache = replace(MODEL, artifacts=(artifact,)), HubCache(tmp_path)
    pulled(hub, tmp_path, model)
    before = newer_commits([model], cache, endpoint=hub.address)

    hub.commit = NEWER
    pulled(hub, tmp_path, model)
    offered = newer_commits([model], cache, endpoint=hub.address)
    kept = cache.find(artifact)
    pull(model, tmp_path, lambda pulled: None, version=Version.NEWEST, endpoint=hub.address)

    assert before == []
    assert offered == [NewerCommit("image-fast", "lab/painter", COMMIT, NEWER)]
    assert kept
    assert kept.name == COMMIT
    assert (taken := cache.find(artifact))
    assert taken.name == NEWER
    assert newer_commits([model], cache, endpoint=hub.address) == []


@pytest.mark.promise("reliability:newer-offered")
def test_the_shipped_commit_can_be_taken_back(hub: FakeHub, tmp_path: Path) -> None:
    artifact = replace(PAINTER, revision=COMMIT)
    model, hub.commit = replace(MODEL, artifacts=(artifact,)), NEWER
    pull(model, tmp_path, lambda pulled: None, version=Version.NEWEST, endpoint=hub.address)

    pull(model, tmp_path, lambda pulled: None, version=Version.SHIPPED, endpoint=hub.address)

    assert (folder := HubCache(tmp_path).find(artifact))
    assert folder.name == COMMIT


@pytest.mark.promise("reliability:newer-offered")
def test_another_program_that_moves_the_branch_changes_nothing(hub: FakeHub, tmp_path: Path) -> None:
    pulled(hub, tmp_path)
    hub.commit = NEWER

    snapshot_download("lab/painter", cache_dir=tmp_path, endpoint=hub.address)

    assert (folder := HubCache(tmp_path).find(PAINTER))
    assert folder.name == COMMIT


@pytest.mark.promise("reliability:newer-offered")
def test_a_built_in_model_without_a_commit_is_taken_only_by_a_person_and_kept_then(tmp_path: Path) -> None:
    unpinned = next(model for model in BUILTIN_MODELS if set(model.artifacts) & set(UNPINNED_ARTIFACTS))

    with pytest.raises(PullFailed, match=f"senses pull {unpinned.name} --version newest"):
        pull(unpinned, tmp_path, lambda pulled: None, endpoint="http://127.0.0.1:9")
    for artifact in unpinned.artifacts:
        HubCache(tmp_path).keep_commit(artifact, COMMIT)

    with pytest.raises(PullFailed, match="Connection refused"):
        pull(unpinned, tmp_path, lambda pulled: None, endpoint="http://127.0.0.1:9")


def test_a_model_that_is_not_downloaded_is_not_asked_for(hub: FakeHub, tmp_path: Path) -> None:
    assert newer_commits([MODEL], HubCache(tmp_path), endpoint=hub.address) == []
    assert hub.requests == []


def test_a_model_with_files_of_its_own_needs_no_hub(tmp_path: Path) -> None:
    model = Model("mine", Task.IMAGE, "mflux", "", path=str(tmp_path))

    assert pull(model, tmp_path, lambda pulled: None, endpoint="http://127.0.0.1:9") == {"model": tmp_path}


@pytest.mark.promise("hub:errors-help")
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "GatedRepo", "gated.*Accept its terms on https://huggingface.co/lab/gated.*hf auth login"),
        (401, "RepoNotFound", "no repository lab/gated, or it is private"),
        (404, "RevisionNotFound", "no revision main"),
        (500, "", "refused lab/gated.*Try again later"),
    ],
)
def test_refusals_of_the_hub_say_what_to_do(tmp_path: Path, status: int, code: str, words: str) -> None:
    artifact = replace(PAINTER, repo="lab/gated")

    with (
        serve(FakeHub({}, {"lab/gated": (status, code)})) as hub,
        pytest.raises(PullFailed, match=words) as failed,
    ):
        pulled(hub, tmp_path, replace(MODEL, artifacts=(artifact,)))

    assert "\n" not in str(failed.value)


def test_a_hub_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with serve(FakeHub(FILES)) as hub:
        address = hub.address

    with pytest.raises(PullFailed, match=r"cannot be reached.*finished files are kept"):
        pull(MODEL, tmp_path, lambda pulled: None, endpoint=address)


def test_the_library_s_offline_switch_is_named(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(PullFailed, match="Unset it"):
        pulled(hub, tmp_path)


def test_a_repository_without_the_model_s_files_is_told(hub: FakeHub, tmp_path: Path) -> None:
    artifact = replace(WORDS, patterns=("*.npz",))

    with pytest.raises(PullFailed, match=r"no files like \*\.npz"):
        pulled(hub, tmp_path, replace(MODEL, artifacts=(artifact,)))


@pytest.mark.promise("hub:disk-full")
def test_a_full_disk_is_told_before_anything_is_downloaded(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10_003))

    with pytest.raises(DiskFull) as failed:
        pulled(hub, tmp_path)

    assert (failed.value.needed_bytes, failed.value.free_bytes) == (10_004, 10_003)
    assert hub.downloaded_files() == []


@pytest.mark.promise("hub:presence-offline")
@pytest.mark.parametrize("lost", ["", "config.json", "vae/0.safetensors", "README.md", "snapshot"])
def test_presence_agrees_with_the_library_whatever_is_lost(hub: FakeHub, tmp_path: Path, lost: str) -> None:
    pulled(hub, tmp_path)
    snapshot = tmp_path / "models--lab--painter" / "snapshots" / COMMIT
    if lost == "snapshot":
        shutil.rmtree(snapshot)
    elif lost:
        (snapshot / lost).unlink(missing_ok=True)

    for revision in ("main", COMMIT, "v9"):
        artifact = replace(PAINTER, revision=revision)
        assert HubCache(tmp_path).find(artifact) == known_to_library(artifact, tmp_path)


def known_to_library(artifact: ModelArtifact, cache: Path) -> Path | None:
    """What the library itself finds without a network."""
    try:
        folder = snapshot_download(
            artifact.repo,
            revision=artifact.revision,
            allow_patterns=list(artifact.patterns),
            cache_dir=cache,
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    return Path(folder)
