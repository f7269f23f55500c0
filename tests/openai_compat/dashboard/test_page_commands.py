"""What a person does with models and results on the status page, in a real browser."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from model_runtime.errors import InvalidInput
from model_runtime.requests import Task
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from openai_compat.app import create_app
from tests.fakes import FakeService, model_status
from tests.openai_compat.clients import wait_until
from tests.openai_compat.conftest import SwitchableApp

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:commands")]
REAL = model_status("vlm-best", Task.VISION, starter=False, default=False, origin="hub", weights_bytes=5_700_000_000)
ABSENT = replace(REAL, present=False)


@dataclass
class Files:
    """The files of models; every download is at 40 % until it is cancelled."""

    fits: bool = True
    is_shared: bool = False
    running: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    async def facts(self, name: str) -> dict[str, Any]:
        """See `ModelFiles`."""
        return {
            "model": name,
            "repositories": ["mlx-community/Qwen2.5-VL"],
            "licence": "apache-2.0",
            "size_bytes": 5_700_000_000,
            "needed_bytes": 7_000_000_000,
            "budget_bytes": 9_000_000_000 if self.fits else 4_000_000_000,
            "fits_memory": self.fits,
            "free_disk_bytes": 80_000_000_000,
            "fits_disk": True,
            "folder": "/home/ann/hub",
            "can_download": True,
            "why_not_download": "",
            "can_delete": True,
            "why_not_delete": "",
        }

    def download(self, name: str) -> None:
        """See `ModelFiles`."""
        self.running.append(name)

    def cancel(self, name: str) -> bool:
        """See `ModelFiles`."""
        self.running.remove(name)
        return True

    async def delete(self, name: str, *, is_shared_agreed: bool) -> int:
        """See `ModelFiles`."""
        if self.is_shared and not is_shared_agreed:
            raise InvalidInput("vlm-fast will need another download, too.", code="shared")
        self.deleted.append(name)
        return 42

    async def listed(self) -> Sequence[dict[str, Any]]:
        """See `ModelFiles`."""
        progress = {"state": "running", "done_bytes": 2_280_000_000, "total_bytes": 5_700_000_000, "error": ""}
        return [{"model": name, **progress} for name in self.running]


@pytest.fixture
def files(server: tuple[SwitchableApp, str], url: str, service: FakeService, settings: Settings) -> Files:
    """The files behind the application."""
    files = Files()
    server[0].app = create_app(service, settings, model_files=files)
    return files


async def test_a_model_is_downloaded_after_its_size_licence_and_fit_were_read(
    page: Page, service: FakeService, files: Files
) -> None:
    service.models = (*service.models, ABSENT)
    await page.goto("/")
    await page.get_by_text("1 available to download").click()

    await page.get_by_role("button", name="Download vlm-best").click()
    dialog = page.get_by_role("dialog", name="Download vlm-best?")
    await expect(dialog).to_contain_text("5.7 GB from mlx-community/Qwen2.5-VL into /home/ann/hub.")
    await expect(dialog).to_contain_text("Licence: apache-2.0.")
    await expect(dialog).to_contain_text("It fits: it needs 7 GB of the 9 GB for models.")
    assert files.running == []
    await dialog.get_by_role("button", name="Download").click()
    service.update_models(lambda models: models)

    await expect(dialog).to_have_count(0)
    progress = page.get_by_role("progressbar", name="Download of vlm-best")
    await expect(progress).to_have_attribute("aria-valuenow", "40")
    await expect(page.get_by_text("2.3 GB of 5.7 GB, 40 %")).to_be_visible()
    await page.get_by_role("button", name="Cancel download of vlm-best").click()
    await wait_until(lambda: files.running == [])


async def test_what_does_not_fit_is_said_before_a_download_and_escape_leaves_it(
    page: Page, service: FakeService, files: Files
) -> None:
    service.models, files.fits = (*service.models, ABSENT), False
    await page.goto("/")
    await page.get_by_text("1 available to download").click()
    button = page.get_by_role("button", name="Download vlm-best")

    await button.click()
    await expect(page.get_by_role("dialog")).to_contain_text(
        "It does not fit: it needs 7 GB, and there are 4 GB for models."
    )
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(button).to_be_focused()
    assert files.running == []


async def test_a_model_is_deleted_after_a_question_and_another_one_if_files_are_shared(
    page: Page, service: FakeService, files: Files
) -> None:
    service.models, files.is_shared = (*service.models, REAL), True
    await page.goto("/")

    await page.get_by_role("button", name="Delete vlm-best").click()
    dialog = page.get_by_role("dialog", name="Delete vlm-best?")
    await expect(dialog).to_contain_text("Its 5.7 GB are deleted from /home/ann/hub.")
    await dialog.get_by_role("button", name="Delete", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_have_text("vlm-fast will need another download, too.")
    assert files.deleted == []
    await dialog.get_by_role("button", name="Delete all the same").click()

    await wait_until(lambda: files.deleted == ["vlm-best"])
    await expect(page.get_by_role("button", name="Delete vlm-starter")).to_have_count(0)


async def test_a_loaded_model_is_kept_for_an_hour_more(page: Page, service: FakeService) -> None:
    service.models = (replace(service.models[0], state=ModelState.READY), *service.models[1:])
    await page.goto("/")

    await page.get_by_role("button", name="Keep 1 h vlm-starter").click()

    await wait_until(lambda: service.kept == {"vlm-starter": 3600.0})


@dataclass(frozen=True)
class Artifact:
    """A stored result."""

    id: str
    path: Path
    mime_type: str
    created: float = 1764546000.0
    size_bytes: int = 9


@dataclass
class Artifacts:
    """A store of results."""

    results: list[Artifact]

    def recent(self, count: int = 20) -> Sequence[Artifact]:
        """See `StoredArtifacts`."""
        return self.results[:count]

    def delete(self, artifact_id: str | None) -> int:
        """See `StoredArtifacts`."""
        kept = [artifact for artifact in self.results if artifact_id not in (None, artifact.id)]
        count, self.results = len(self.results) - len(kept), kept
        return count


@pytest.mark.promise("page:results")
async def test_results_are_deleted_one_or_all(
    page: Page,
    server: tuple[SwitchableApp, str],
    service: FakeService,
    settings: Settings,
    png: bytes,
    wav: bytes,
    tmp_path: Path,
) -> None:
    paths = {"image/png": (tmp_path / "a.png", png), "audio/wav": (tmp_path / "a.wav", wav)}
    for path, data in paths.values():
        path.write_bytes(data)
    artifacts = Artifacts(
        [Artifact(f"{number}-{kind[:5]}", paths[kind][0], kind) for kind in paths for number in range(2)]
    )
    server[0].app = create_app(service, settings, artifacts=artifacts)
    await page.goto("/")
    results = page.get_by_role("region", name="Recent results")
    await expect(results.get_by_role("img")).to_have_count(2)

    await results.get_by_role("button", name="Delete image").first.click()
    await expect(results.get_by_role("img")).to_have_count(1)
    assert [artifact.id for artifact in artifacts.results] == ["1-image", "0-audio", "1-audio"]
    await results.get_by_role("button", name="Delete all").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete all results").click()

    await expect(results).to_contain_text("No results are stored.")
    assert artifacts.results == []


END_IS_SHOWN = (
    """(box) => box.querySelector("pre").getBoundingClientRect().bottom <= box.getBoundingClientRect().bottom"""
)


@pytest.mark.promise("page:log")
async def test_the_log_is_shown_as_it_is_written(page: Page, service: FakeService, settings: Settings) -> None:
    settings.folders.logs.mkdir(parents=True)
    file = settings.folders.logs / "daemon.log"
    file.write_text("".join(f"line {number}\n" for number in range(100)), encoding="utf-8")
    await page.goto("/")
    log = page.get_by_role("log")
    await expect(log).to_contain_text("line 99")

    with file.open("a", encoding="utf-8") as written:
        written.write("a worker ended\n")
    service.update_models(lambda models: models)
    await expect(log).to_contain_text("a worker ended")
    assert await log.evaluate(END_IS_SHOWN)
    await page.get_by_label("Search the log").fill("WORKER")

    await expect(log).to_have_text("a worker ended")
    await expect(page.get_by_text(str(file))).to_be_visible()
