"""The daemons of the end-to-end tests, of the soak and of the benchmarks answer with starters on Apple silicon, too."""

from pathlib import Path

import pytest

from benchmarks.instance import STARTERS
from model_runtime.catalog.builtin_models import STARTER_BY_TASK
from model_runtime.catalog.catalog import Catalog, create_catalog
from model_runtime.hub.cache import HubCache
from model_runtime.requests import Task
from model_runtime.settings import load_settings

OPENAI_NAMES = {
    "": tuple(STARTER_BY_TASK),
    "auto": tuple(STARTER_BY_TASK),
    "gpt-4o": (Task.VISION, Task.TEXT),
    "gpt-image-1": (Task.IMAGE,),
    "whisper-1": (Task.TRANSCRIPTION,),
    "tts-1": (Task.SPEECH,),
}
"""What the tests of tests/end_to_end and tests/meaning ask for, and the tasks they ask it for."""


@pytest.fixture
def catalog(mac: None, tmp_path: Path) -> Catalog:
    """The catalogue of that daemon on a Mac without downloaded models."""
    (tmp_path / "config.toml").write_text(STARTERS, encoding="utf-8")
    return create_catalog(load_settings({"SENSES_HOME": str(tmp_path)}), HubCache(tmp_path / "hub"))


def test_names_that_mean_the_default_mean_a_starter(catalog: Catalog) -> None:
    asked = [(name, task) for name, tasks in OPENAI_NAMES.items() for task in tasks]

    assert [pair for pair in asked if not catalog.resolve(*pair).starter] == []


def test_without_these_settings_they_would_not(mac: None, tmp_path: Path) -> None:
    catalog = create_catalog(load_settings({"SENSES_HOME": str(tmp_path)}), HubCache(tmp_path / "hub"))

    assert not any(catalog.resolve("", task).starter for task in Task)
