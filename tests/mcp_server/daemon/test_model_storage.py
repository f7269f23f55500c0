"""Download and deletion of models from the status page."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from mcp_server.calls.downloads import PullProgress
from mcp_server.calls.model_downloads import ModelDownloads
from mcp_server.daemon.model_storage import ModelStorage
from model_runtime.catalog.builtin_models import BUILTIN_MODELS
from model_runtime.errors import InvalidInput
from model_runtime.requests import Task
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from tests.fakes import FakeService, model_status

VLM = next(model for model in BUILTIN_MODELS if model.name == "vlm-fast")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a cache that holds vlm-fast."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for artifact in VLM.artifacts:
        snapshot = tmp_path / "hub" / f"models--{artifact.repo.replace('/', '--')}" / "snapshots" / "x"
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").write_bytes(b"x" * 1000)
    return tmp_path / "hub"


@pytest.fixture
def service(settings: Settings) -> FakeService:
    """Return a runtime that knows vlm-fast."""
    service = FakeService()
    fields = {"starter": False, "origin": "hub", "licence": VLM.licence, "weights_bytes": 5_000}
    service.models = (*service.models, model_status(VLM.name, Task.VISION, **fields))
    return service


@pytest.fixture
async def files(service: FakeService, settings: Settings, cache: Path) -> AsyncGenerator[ModelStorage]:
    """Yield the files, whose downloads go on until they are cancelled."""

    async def download(model: str, report: Callable[[PullProgress], None]) -> None:
        report(PullProgress(1, 2))
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        yield ModelStorage(service, settings, ModelDownloads(download), tasks)
        tasks.cancel_scope.cancel()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def change(service: FakeService, **changes: object) -> None:
    service.models = (*service.models[:-1], replace(service.models[-1], **changes))  # type: ignore[arg-type]


@pytest.mark.promise("models:delete")
async def test_a_downloaded_model_is_deleted_and_nothing_else(files: ModelStorage, cache: Path) -> None:
    other = cache / "models--lab--other"
    other.mkdir()

    freed = await files.delete("vlm-fast", is_shared_agreed=True)

    assert freed == 1000 * len(VLM.artifacts)
    assert names_in(cache) == [other.name]


@pytest.mark.promise("models:delete")
@pytest.mark.parametrize(
    "used", [{"state": ModelState.READY}, {"state": ModelState.STARTING}, {"queued": 1}, {"state": ModelState.STOPPING}]
)
async def test_a_model_in_use_is_never_deleted(
    files: ModelStorage, service: FakeService, cache: Path, used: dict[str, object]
) -> None:
    change(service, **used)

    with pytest.raises(InvalidInput, match="vlm-fast is in use. Unload it first") as refused:
        await files.delete("vlm-fast", is_shared_agreed=True)

    assert refused.value.code == "model_in_use"
    assert names_in(cache)


@pytest.mark.promise("models:delete")
@pytest.mark.parametrize(("name", "why"), [("vlm-starter", "is part of Senses"), ("/etc", "There is no model")])
async def test_nothing_outside_the_cache_is_deleted(files: ModelStorage, name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        await files.delete(name, is_shared_agreed=True)


@pytest.mark.promise("models:delete")
async def test_a_link_in_place_of_a_downloaded_model_is_not_followed(
    files: ModelStorage, cache: Path, tmp_path: Path
) -> None:
    repository = cache / names_in(cache)[0]
    repository.rename(tmp_path / "elsewhere")
    repository.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(InvalidInput, match=f"{repository} is a link out of the cache"):
        await files.delete("vlm-fast", is_shared_agreed=True)

    assert names_in(tmp_path / "elsewhere") == ["snapshots"]


async def test_files_that_other_models_need_are_deleted_only_if_that_is_agreed(
    service: FakeService, settings: Settings, cache: Path
) -> None:
    artifact = VLM.artifacts[0]
    twin = {"repo": artifact.repo, "task": "vision", "engine": VLM.engine}
    service.models = (*service.models, model_status("twin", Task.VISION))
    async with anyio.create_task_group() as tasks:
        files = ModelStorage(service, replace(settings, model_tables={"twin": twin}), ModelDownloads(), tasks)
        with pytest.raises(InvalidInput, match="twin will need another download, too") as refused:
            await files.delete("vlm-fast", is_shared_agreed=False)
        freed = await files.delete("vlm-fast", is_shared_agreed=True)

    assert (refused.value.code, freed > 0) == ("shared", True)


@pytest.mark.promise("models:download")
async def test_a_missing_model_is_downloaded_and_the_download_cancelled(
    files: ModelStorage, service: FakeService
) -> None:
    change(service, present=False)

    files.download("vlm-fast")
    with anyio.fail_after(10):
        while not await files.listed():
            await anyio.lowlevel.checkpoint()
    (running,) = await files.listed()
    with pytest.raises(InvalidInput, match="vlm-fast is being downloaded"):
        files.download("vlm-fast")
    with pytest.raises(InvalidInput, match="is being downloaded. Cancel that first"):
        await files.delete("vlm-fast", is_shared_agreed=True)
    was_running = files.cancel("vlm-fast")

    assert (running["state"], running["done_bytes"], was_running) == ("running", 1, True)


@pytest.mark.parametrize(("name", "why"), [("vlm-starter", "does not come from Hugging Face"), ("vlm-fast", "already")])
async def test_what_is_here_or_nowhere_else_is_not_downloaded(files: ModelStorage, name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        files.download(name)


async def test_a_person_is_told_size_licence_and_fit_before_a_download(
    files: ModelStorage, service: FakeService, cache: Path
) -> None:
    change(service, present=False, needed_bytes=9_000_000_000)
    missing = await files.facts("vlm-fast")
    change(service, state=ModelState.READY, present=True, needed_bytes=1)
    loaded = await files.facts("vlm-fast")
    starter = await files.facts("vlm-starter")

    assert missing["repositories"] == [artifact.repo for artifact in VLM.artifacts]
    assert (missing["licence"], missing["size_bytes"]) == (VLM.licence, 5_000)
    assert (missing["fits_memory"], missing["fits_disk"], missing["can_download"]) == (False, True, True)
    assert missing["folder"] == str(cache)
    assert (loaded["fits_memory"], loaded["can_delete"], loaded["why_not_delete"]) == (
        True,
        False,
        "vlm-fast is in use. Unload it first.",
    )
    assert (starter["can_download"], starter["can_delete"]) == (False, False)
