"""Shared fixtures. Every test runs in an instance folder of its own and never touches the user's.

Settings of the developer's shell (`SENSES_*`) do not reach the tests. Hypothesis has no deadline: it measures the machine.
The fast BLAS is loaded here, before any test imports MLX: without it the engines take six times as long.
"""

import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from model_runtime.engines.blas import load_fast_blas
from model_runtime.settings import InstanceFolders, Settings

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytest_plugins = ["tests.fast", "tests.real_models.complete"]
BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser")


load_fast_blas()
hypothesis.settings.register_profile("senses", deadline=None)
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
"""For `tests.mutants`: the same examples in every run, and no search for the smallest one that fails."""
hypothesis.settings.load_profile("senses")

for name in [name for name in os.environ if name.startswith("SENSES_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the product runs on."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_spare_processes() -> None:
    """Daemons that tests start import nothing ahead: most live too short for it to be worth a processor's time."""
    os.environ["SENSES_MEMORY_SPARE"] = "false"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an instance that lives in the test's own folder and keeps no spare process."""
    return Settings(InstanceFolders.from_home(tmp_path / "home"), port=0, keep_spare_worker=False)


def find_browser(downloaded: str) -> str:
    """Return where a Chromium is; where there is none, a developer may go on without, continuous integration not."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, BROWSERS), downloaded]
    path = next((path for path in named if path and Path(path).exists()), None)
    missing = "There is no Chromium. Run `playwright install chromium`, or set CHROMIUM."
    if path is None and os.environ.get("CI"):
        pytest.fail(missing)
    return path or pytest.skip(missing)


@pytest.fixture(scope="session")
async def browser() -> AsyncGenerator["Browser"]:
    """A real Chromium: $CHROMIUM, one on PATH, or the one that `playwright install` brought."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        yield browser
        await browser.close()
