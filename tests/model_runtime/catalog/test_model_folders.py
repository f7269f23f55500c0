"""Folders of models: what is in them appears under its folder's name, comes and goes, and answers before a starter."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.builtin_models import STARTER_BY_TASK
from model_runtime.catalog.catalog import Catalog, create_catalog
from model_runtime.catalog.model_folders import MAX_FOLDER_MODELS
from model_runtime.errors import UnknownModel
from model_runtime.requests import Task
from model_runtime.settings import InstanceFolders, Settings
from model_runtime.supervisor.model_info import LOOK_SECONDS, ModelInfoCache
from tests.model_runtime.library import EmptyStore

WHISPER: Mapping[str, Any] = {"model_type": "whisper", "n_audio_state": 8}
LLAMA: Mapping[str, Any] = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
KOKORO: Mapping[str, Any] = {"model_type": "kokoro"}


def put_model(folder: Path, config: Mapping[str, Any], *, weights: bool = True) -> Path:
    """Make a model folder with one weight of four bytes."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if weights:
        header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty folder for models."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def catalog_of(*roots: Path, **changes: Any) -> Catalog:
    settings = Settings(InstanceFolders.from_home(roots[0].parent / "home"), model_folders=roots, **changes)
    return create_catalog(settings, EmptyStore())


def names(catalog: Catalog) -> set[str]:
    return {model.name for model in catalog.models()}


@pytest.mark.promise("models:folder")
def test_every_subfolder_that_an_engine_supports_is_a_model_under_its_name(root: Path) -> None:
    put_model(root / "whisper-base", WHISPER)
    put_model(root / "SmolLM2", LLAMA)
    put_model(root / "not-a-model", {"model_type": "made-up"})
    (root / "notes.txt").write_text("nothing")

    found = catalog_of(root)

    assert found.resolve("whisper-base", Task.TRANSCRIPTION).path == str(root / "whisper-base")
    assert found.resolve("smollm2", Task.TEXT).name == "SmolLM2"
    assert not names(found) & {"not-a-model", "notes.txt"}


def test_the_folders_of_lm_studio_are_understood(root: Path) -> None:
    put_model(root / "lmstudio-community" / "Llama-3.2-1B", LLAMA)

    assert catalog_of(root).resolve("Llama-3.2-1B", Task.TEXT).engine == "mlx-lm"


def test_two_models_of_one_name_and_one_with_the_name_of_an_alias_are_told_apart(root: Path) -> None:
    put_model(root / "alice" / "chat", LLAMA)
    put_model(root / "bob" / "chat", LLAMA)
    put_model(root / "carol" / "llm-fast", LLAMA)

    found = catalog_of(root)

    assert {"chat", "bob/chat", "carol/llm-fast"} <= names(found)
    assert found.resolve("llm-fast", Task.TEXT).path == ""


@pytest.mark.parametrize("name", [".hidden", "with space", "späte"])
def test_a_folder_whose_name_no_client_could_send_is_left_out(root: Path, name: str) -> None:
    put_model(root / name, LLAMA)

    assert name not in names(catalog_of(root))


@pytest.mark.promise("models:folder-comes-and-goes")
def test_a_model_that_is_copied_there_while_senses_runs_answers_at_once(root: Path) -> None:
    found = catalog_of(root)

    put_model(root / "late", LLAMA)

    assert found.resolve("late", Task.TEXT).name == "late"


@pytest.mark.promise("models:folder-comes-and-goes")
def test_a_model_whose_folder_went_is_no_longer_listed(root: Path) -> None:
    folder = put_model(root / "short-lived", LLAMA)
    info, found = cache_of(root)

    shutil.rmtree(folder)
    info.refresh(LOOK_SECONDS)

    assert "short-lived" not in names(found)
    with pytest.raises(UnknownModel):
        found.resolve("short-lived", Task.TEXT)


def test_a_model_in_use_stays_listed_until_its_worker_ends(root: Path) -> None:
    folder = put_model(root / "busy", LLAMA)
    info, found = cache_of(root)

    shutil.rmtree(folder)
    info.refresh(LOOK_SECONDS, lambda name: name == "busy")
    listed_in_use = "busy" in names(found)
    info.refresh(2 * LOOK_SECONDS)

    assert listed_in_use
    assert "busy" not in names(found)


@pytest.mark.promise("models:folder-incomplete")
def test_an_incomplete_model_is_listed_with_the_reason(root: Path) -> None:
    put_model(root / "half", LLAMA, weights=False)
    info, found = cache_of(root)

    reason = info.of(next(model for model in found.models() if model.name == "half")).broken_reason

    assert "has no safetensors files" in reason


@pytest.mark.promise("models:real-before-starter")
@pytest.mark.parametrize("name", ["", "auto", "fast", "best", "whisper-1", "gpt-4o-mini-transcribe"])
def test_a_real_model_that_is_present_answers_before_a_starter(root: Path, name: str) -> None:
    put_model(root / "whisper-base", WHISPER)

    assert catalog_of(root).resolve(name, Task.TRANSCRIPTION).name == "whisper-base"


@pytest.mark.promise("models:real-before-starter")
def test_a_real_text_model_answers_texts_and_leaves_pictures_to_what_sees(root: Path) -> None:
    put_model(root / "smollm2", LLAMA)
    found = catalog_of(root)

    assert found.resolve("auto", Task.TEXT).name == "smollm2"
    assert found.resolve("auto", Task.VISION).name == STARTER_BY_TASK[Task.VISION]


def test_an_incomplete_model_never_answers_in_the_place_of_a_starter(root: Path) -> None:
    put_model(root / "half", WHISPER, weights=False)

    assert catalog_of(root).resolve("auto", Task.TRANSCRIPTION).starter


def test_a_default_may_name_a_model_of_a_folder_even_while_its_disk_is_away(root: Path, tmp_path: Path) -> None:
    put_model(root / "a", LLAMA)
    put_model(root / "b", LLAMA)

    assert catalog_of(root, defaults={"text": "b"}).resolve("auto", Task.TEXT).name == "b"
    assert catalog_of(tmp_path / "unplugged", defaults={"text": "b"}).resolve("auto", Task.TEXT).starter


def test_the_number_of_models_in_folders_has_a_limit(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MAX_FOLDER_MODELS + 1):
        put_model(root / f"model-{number}", LLAMA, weights=False)

    found = catalog_of(root)

    assert sum(name.startswith("model-") for name in names(found)) == MAX_FOLDER_MODELS
    assert f"first {MAX_FOLDER_MODELS} models" in caplog.text


@pytest.mark.parametrize("root_name", ["missing", "a-file", "looping-link"])
def test_a_folder_that_cannot_be_read_has_no_models(tmp_path: Path, root_name: str) -> None:
    (tmp_path / "a-file").write_text("")
    (tmp_path / "looping-link").symlink_to(tmp_path / "looping-link")

    assert names(catalog_of(tmp_path / root_name)) == names(catalog_of(tmp_path / "other"))


def cache_of(root: Path) -> tuple[ModelInfoCache, Catalog]:
    """Return a catalogue and what was read of its models at the time 0."""
    found = catalog_of(root)
    info = ModelInfoCache(found)
    info.refresh(0.0)
    return info, found
