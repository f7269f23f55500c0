"""An alias whose folder cannot be used is listed with its reason, and all other models are served."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.catalog import Catalog, create_catalog
from model_runtime.catalog.local_folder import broken_reason
from model_runtime.catalog.model import Model
from model_runtime.errors import ModelBroken
from model_runtime.requests import Chat, Message, Task
from model_runtime.runtime import Runtime
from model_runtime.settings import InstanceFolders, Settings, SettingsError
from tests.model_runtime.library import EmptyStore

REMEDY = "Put the model back there or change models.mine.path in config.toml."
HELLO = (Message("user", ("Hi.",)),)


def catalog_of(home: Path, path: Path, **changes: Any) -> Catalog:
    """The catalogue of an instance whose config.toml has one alias, `mine`."""
    return create_catalog(
        Settings(InstanceFolders.from_home(home), model_tables={"mine": {"path": str(path)}}, **changes), EmptyStore()
    )


def mine(catalog: Catalog) -> Model:
    """The alias as it is listed now."""
    return next(model for model in catalog.models() if model.name == "mine")


def llama(folder: Path) -> Path:
    """A folder with a model of text."""
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}', encoding="utf-8")
    return folder


def a_file(path: Path) -> None:
    path.touch()


def a_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.promise("models:broken-alias")
@pytest.mark.parametrize(
    ("put", "problem"),
    [
        (lambda path: None, "does not exist"),
        (a_file, "is not a folder"),
        (a_loop, "cannot be read (Too many levels of symbolic links)"),
    ],
)
def test_an_alias_whose_folder_cannot_be_used_is_listed_and_refused_with_its_reason(
    tmp_path: Path, put: Callable[[Path], None], problem: str
) -> None:
    put(tmp_path / "x")
    reason = f"mine: {tmp_path / 'x'} {problem}. {REMEDY}"

    catalog = catalog_of(tmp_path, tmp_path / "x")

    assert not catalog.is_present(mine(catalog))
    assert catalog.info(mine(catalog)).broken_reason == reason
    for task in Task:
        with pytest.raises(ModelBroken) as refusal:
            catalog.resolve("mine", task)
        assert str(refusal.value) == reason


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (None, "{folder} has no config.json"),
        ("[]", "{folder}/config.json is not a JSON object"),
        ("{}", "{folder}/config.json is empty"),
        ("[" * 100_000, "{folder}/config.json is not JSON (maximum recursion depth exceeded"),
        ('{"model_type": "bert"}', "its config.json has model_type 'bert'"),
        ('{"model_type": [], "architectures": 5}', "its config.json has model_type '[]'"),
    ],
)
def test_an_alias_of_something_else_is_listed_with_what_was_found(
    tmp_path: Path, config: str | None, problem: str
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(config, encoding="utf-8")

    catalog = catalog_of(tmp_path, folder)

    reason = catalog.info(mine(catalog)).broken_reason
    assert reason.startswith(f"mine is not a model Senses can serve: {problem.format(folder=folder)}")
    assert ". Supported are " in reason
    assert not catalog.is_present(mine(catalog))


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x" / "config.json").mkdir(parents=True)

    catalog = catalog_of(tmp_path, tmp_path / "x")

    assert "config.json cannot be read (Is a directory)" in catalog.info(mine(catalog)).broken_reason


@pytest.mark.promise("models:broken-alias")
async def test_a_broken_alias_stops_neither_the_status_nor_any_other_model(tmp_path: Path) -> None:
    settings = Settings(
        InstanceFolders.from_home(tmp_path), keep_spare_worker=False, model_tables={"mine": {"path": "/gone"}}
    )
    reason = f"mine: /gone does not exist. {REMEDY}"

    async with Runtime(create_catalog(settings, EmptyStore()), settings) as runtime:
        status = {model.name: model for model in runtime.status().models}
        with pytest.raises(ModelBroken) as call:
            await anext(runtime.run(Chat("mine", HELLO)))
        with pytest.raises(ModelBroken) as load:
            await runtime.load("mine")
        other = await runtime.resolve("vlm-starter", Task.VISION)

    assert (status["mine"].present, status["mine"].error) == (False, reason)
    assert str(call.value) == str(load.value) == reason
    assert (other, status[other].present, status[other].error) == ("vlm-starter", True, "")


def test_a_model_works_once_its_folder_is_back_and_is_broken_once_it_is_gone(tmp_path: Path) -> None:
    settings = Settings(
        InstanceFolders.from_home(tmp_path), model_tables={"mine": {"path": str(tmp_path / "x"), "keep_alive": "1h"}}
    )
    catalog = create_catalog(settings, EmptyStore())

    llama(tmp_path / "x")
    back, model = catalog.resolve("mine", Task.TEXT), mine(catalog)
    is_present, reason = catalog.is_present(model), broken_reason(model)
    (tmp_path / "x").rename(tmp_path / "y")

    assert (back.engine, back.keep_alive_seconds) == ("mlx-lm", 3600.0)
    assert (model, is_present, reason) == (back, True, "")
    assert not catalog.is_present(model)
    with pytest.raises(ModelBroken, match=r"x does not exist\. Put the model back there or change models\.mine\.path"):
        catalog.folders(model)


def test_a_broken_alias_may_be_the_default_and_is_refused_with_its_reason(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, Path("/gone"), defaults={"speech": "mine"})

    assert (mine(catalog).task, catalog.info(mine(catalog)).default) == (Task.SPEECH, True)
    with pytest.raises(ModelBroken, match="/gone does not exist"):
        catalog.resolve("", Task.SPEECH)


def test_a_built_in_alias_with_a_folder_that_is_gone_keeps_its_task(tmp_path: Path) -> None:
    catalog = create_catalog(
        Settings(InstanceFolders.from_home(tmp_path), model_tables={"tts-fast": {"path": "/gone"}}), EmptyStore()
    )

    model = next(model for model in catalog.models() if model.name == "tts-fast")

    assert model.task is Task.SPEECH
    assert catalog.info(model).broken_reason.startswith("tts-fast: /gone does not exist.")


def test_an_alias_that_toml_quotes_is_quoted_in_its_reason(tmp_path: Path) -> None:
    catalog = create_catalog(
        Settings(InstanceFolders.from_home(tmp_path), model_tables={"my 7b": {"path": "/gone"}}), EmptyStore()
    )

    (model,) = [model for model in catalog.models() if model.name == "my 7b"]

    assert 'change models."my 7b".path in config.toml' in catalog.info(model).broken_reason


@pytest.mark.parametrize("broken", ["talker_config", "spk_id"])
def test_files_of_an_odd_shape_never_end_a_status(tmp_path: Path, broken: str) -> None:
    talker = 5 if broken == "talker_config" else {"spk_id": 5}
    (tmp_path / "x").mkdir()
    config = {"model_type": "qwen3_tts", "talker_config": talker}
    (tmp_path / "x" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "x" / "model.safetensors").symlink_to(tmp_path / "nowhere")
    catalog = catalog_of(tmp_path, tmp_path / "x")

    model = mine(catalog)

    assert (model.task, catalog.is_present(model)) == (Task.SPEECH, True)
    info = catalog.info(model)
    assert (info.voices, info.weights_bytes, info.abilities) == ((), 0, ())
    assert info.needed_bytes > 0


def test_a_default_that_does_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"defaults\.vision is 'tts-fast', which supports speech\. Models for vision: vlm-f"
    ):
        create_catalog(Settings(InstanceFolders.from_home(tmp_path), defaults={"vision": "tts-fast"}), EmptyStore())
