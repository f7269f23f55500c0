"""What is known of the models: read again where their files have changed, and at no other time."""

from pathlib import Path

import pytest

from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.supervisor.model_info import LOOK_SECONDS, ModelInfoCache
from tests.model_runtime.library import ScriptedCatalog, scripted_model


class CountingCatalog(ScriptedCatalog):
    """Counts how often models are read."""

    def __init__(self, *models: Model, folder: Path) -> None:
        super().__init__(*models, folder=folder)
        self.reads: list[str] = []

    def info(self, model: Model, budget_bytes: int = 0) -> ModelInfo:
        """Count and return the info."""
        self.reads.append(model.name)
        return super().info(model, budget_bytes)

    def replace_models(self, *models: Model) -> None:
        """Hold these models."""
        self._models = {model.name: model for model in models}


@pytest.fixture
def catalog(tmp_path: Path) -> CountingCatalog:
    """Two models over one folder."""
    (tmp_path / "config.json").write_text("{}")
    return CountingCatalog(scripted_model("a"), scripted_model("b"), folder=tmp_path)


@pytest.mark.promise("status:idle")
def test_models_whose_files_stay_the_same_are_read_once(catalog: CountingCatalog) -> None:
    info = ModelInfoCache(catalog)

    for seconds in range(100):
        if info.is_due(float(seconds)):
            info.refresh(float(seconds))

    assert catalog.reads == ["a", "b"]


@pytest.mark.parametrize("change", ["write", "add", "remove", "touch"])
def test_a_file_that_changes_is_read_again_at_the_next_look(
    catalog: CountingCatalog, tmp_path: Path, change: str
) -> None:
    info = ModelInfoCache(catalog)
    info.refresh(0.0)
    match change:
        case "write":
            (tmp_path / "config.json").write_text("{ }")
        case "add":
            (tmp_path / "model.safetensors").touch()
        case "remove":
            (tmp_path / "config.json").unlink()
        case _:
            (tmp_path / "config.json").touch()

    is_due = [info.is_due(seconds) for seconds in (LOOK_SECONDS - 0.1, LOOK_SECONDS)]
    info.refresh(LOOK_SECONDS)

    assert is_due == [False, True]
    assert catalog.reads == ["a", "b"] * 2


def test_a_model_that_is_downloaded_or_deleted_changes_what_is_known_of_all(catalog: CountingCatalog) -> None:
    catalog.missing = {"a"}
    info = ModelInfoCache(catalog)
    info.refresh(0.0)
    before = info.find("a")

    catalog.missing = set()
    info.refresh(LOOK_SECONDS)

    assert before is not None
    assert not before.present
    assert info.of(catalog.models()[0]).present
    assert catalog.reads == ["a", "b"] * 2


def test_a_new_memory_budget_is_a_change_too(catalog: CountingCatalog) -> None:
    budget_bytes = [1]
    info = ModelInfoCache(catalog, lambda: budget_bytes[0])
    info.refresh(0.0)

    budget_bytes[0] = 2
    info.refresh(LOOK_SECONDS)

    assert catalog.reads == ["a", "b"] * 2


def test_a_model_that_is_new_is_looked_at_at_once_and_one_that_went_is_forgotten(catalog: CountingCatalog) -> None:
    info = ModelInfoCache(catalog)
    info.refresh(0.0)
    first = catalog.models()[0]

    catalog.replace_models(first, scripted_model("c"))
    is_due = info.is_due(0.1)
    info.refresh(0.1)

    assert is_due
    assert not info.is_due(0.2)
    assert [info.find(name) is None for name in ("a", "b", "c")] == [False, True, False]
    assert info.is_new(scripted_model("b"))
