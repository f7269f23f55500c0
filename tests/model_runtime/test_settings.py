"""Settings come from one file and the environment, and say what is wrong with a value."""

from pathlib import Path

import pytest

from model_runtime.settings import SettingsError, load_settings


def written(home: Path, text: str) -> dict[str, str]:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return {"SENSES_HOME": str(home)}


@pytest.mark.promise("settings:home")
def test_one_folder_holds_everything_of_an_instance(tmp_path: Path) -> None:
    settings = load_settings({"SENSES_HOME": str(tmp_path)})

    folders = settings.folders
    assert {folders.config, folders.data} == {tmp_path}
    assert {folders.run, folders.logs, folders.artifacts, folders.inbox} == {
        tmp_path / name for name in ("run", "logs", "artifacts", "inbox")
    }


def test_the_defaults_offload_after_five_minutes_and_evict_the_least_recently_used(tmp_path: Path) -> None:
    settings = load_settings({"SENSES_HOME": str(tmp_path)})

    assert (settings.idle_seconds, settings.eviction, settings.port) == (300.0, "lru", 7367)


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    environ = written(tmp_path, "port = 1234\n[memory]\nbudget_gb = 8\nidle_seconds = 60\n[files]\nallow_urls = true\n")

    settings = load_settings({**environ, "SENSES_MEMORY_IDLE_SECONDS": "7"})

    assert (settings.port, settings.budget_bytes, settings.idle_seconds) == (1234, 8_000_000_000, 7.0)
    assert settings.allow_urls is True


def test_aliases_and_defaults_are_kept_as_written(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, '[models.mine]\npath = "/models/mine"\n[defaults]\nvision = "mine"\n'))

    assert settings.models == {"mine": {"path": "/models/mine"}}
    assert settings.defaults == {"vision": "mine"}


def test_a_default_model_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = written(tmp_path, '[defaults]\nvision = "vlm-best"\nspeech = "tts-fast"\n')

    settings = load_settings(environ | {"SENSES_DEFAULTS_VISION": "vlm-fast"})

    assert settings.defaults == {"vision": "vlm-fast", "speech": "tts-fast"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = 70000", "port is 70000; it must be a number from 0 to 65535."),
        ('port = "many"', "port is 'many'; it must be a number from 0 to 65535."),
        ("port = true", "port is True; it must be a number from 0 to 65535."),
        ('[memory]\neviction = "random"', "memory.eviction is 'random'; it must be one of lru, cost."),
        ('[files]\nallow_urls = "maybe"', "files.allow_urls is 'maybe'; it must be true or false."),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_accepted(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(written(tmp_path, text))

    assert str(refusal.value) == complaint


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"config\.toml cannot be read"):
        load_settings(written(tmp_path, "port = = 1"))
