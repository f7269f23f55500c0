"""Shared fixtures. Every test runs in an instance folder of its own and never touches the user's."""

from pathlib import Path

import pytest

from model_runtime.settings import Folders, Settings


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the product runs on."""
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an instance that lives in the test's own folder."""
    return Settings(Folders.under(tmp_path / "home"), port=0)
