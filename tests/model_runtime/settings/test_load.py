"""Settings come from one file and the environment, and say what is wrong with a value."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from model_runtime.settings import InstanceFolders, Settings, SettingsError, load_settings
from model_runtime.settings.table import SETTINGS, Setting


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

    assert (settings.idle_seconds, settings.eviction_policy, settings.port) == (300.0, "lru", 7367)


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    environ = written(tmp_path, "port = 1234\n[memory]\nbudget_gb = 8\nidle_seconds = 60\n[files]\nallow_urls = true\n")

    settings = load_settings({**environ, "SENSES_MEMORY_IDLE_SECONDS": "7"})

    assert (settings.port, settings.memory_budget_bytes, settings.idle_seconds) == (1234, 8_000_000_000, 7.0)
    assert settings.allow_urls is True


def test_aliases_and_defaults_are_kept_as_written(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, '[models.mine]\npath = "/models/mine"\n[defaults]\nvision = "mine"\n'))

    assert settings.model_tables == {"mine": {"path": "/models/mine"}}
    assert settings.defaults == {"vision": "mine"}


def test_a_default_model_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = written(tmp_path, '[defaults]\nvision = "vlm-best"\nspeech = "tts-fast"\n')

    settings = load_settings(environ | {"SENSES_DEFAULTS_VISION": "vlm-fast"})

    assert settings.defaults == {"vision": "vlm-fast", "speech": "tts-fast"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = 70000", "line 1: port is 70000. It must be a whole number from 0 to 65535."),
        ('port = "many"', "line 1: port is 'many'. It must be a whole number from 0 to 65535."),
        ("port = true", "line 1: port is True. It must be a whole number from 0 to 65535."),
        ("port = 80.5", "line 1: port is 80.5. It must be a whole number from 0 to 65535."),
        (
            "\n[memory]\nidle_seconds = nan",
            "line 3: memory.idle_seconds is nan. It must be a number from -1 to 1000000000.",
        ),
        (
            "[memory]\nbudget_gb = -1",
            "line 2: memory.budget_gb is -1. It must be a number of gigabytes from 0 to 4096.",
        ),
        ('[memory]\neviction = "random"', "line 2: memory.eviction is 'random'. It must be one of lru, cost."),
        ('[files]\nallow_urls = "maybe"', "line 2: files.allow_urls is 'maybe'. It must be true or false."),
        ("host = [1]", "line 1: host is [1]. It must be a text."),
        ("mcp.tools = 5", "line 1: mcp.tools is 5. It must be a list of texts, or one text separated by commas."),
        (
            "files.allowed_folders = [5]",
            "line 1: files.allowed_folders is [5]. It must be a list of folders, or one text separated by colons.",
        ),
        (
            '[models.mine]\nrepo = "a/b"\ntask = "smell"',
            "line 3: models.mine.task is 'smell'. It must be one of vision, text, image, transcription, speech, embedding.",
        ),
        (
            '[models.mine]\nkeep_alive = "soon"',
            (
                "line 2: models.mine.keep_alive is 'soon'. It must be seconds (300), a duration (\"10m\"), "
                "0 to unload when idle or -1 for no timer."
            ),
        ),
        (
            "queue = 5",
            "line 1: queue is 5. It must be a section with queue.per_model, queue.total, queue.max_gb, queue.seconds.",
        ),
    ],
)
@pytest.mark.promise("settings:checked")
def test_a_value_that_cannot_be_used_is_named_with_its_line_and_what_is_accepted(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(written(tmp_path, text))

    assert str(refusal.value) == f"config.toml {complaint}"


def test_a_variable_that_cannot_be_used_is_named_with_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings({"SENSES_HOME": str(tmp_path), "SENSES_PORT": "many"})

    assert str(refusal.value) == "SENSES_PORT is 'many'. It must be a whole number from 0 to 65535."


def test_a_value_that_a_variable_overrides_is_not_looked_at(tmp_path: Path) -> None:
    settings = load_settings({**written(tmp_path, "port = 70000"), "SENSES_PORT": "80"})

    assert settings.port == 80


def test_a_secret_is_never_quoted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(written(tmp_path, 'api_key = ["hush"]'))

    assert str(refusal.value) == "config.toml line 1: api_key is not usable. It must be a text."


EVERY_KEY = """
port = 80
host = "0.0.0.0"
api_key = "k"
tls_cert = "/c.pem"
tls_key = "/k.pem"
allowed_hosts = ["mac.local"]
allowed_origins = "https://a.example, https://b.example"
[memory]
budget_gb = 0.5
idle_seconds = -1
eviction = "cost"
spare = "no"
decode_mb = 300
[gpu]
lanes = "two"
[power]
keep_awake = "no"
[queue]
per_model = 1
total = 2
max_gb = 0.007
seconds = 3
[load]
seconds = 4
[chat]
max_tokens = 8
[files]
allowed_folders = ["/a", "/b"]
model_folders = ["/a"]
allow_urls = true
[images]
provenance = false
[artifacts]
keep_days = 5
max_gb = 6
[mcp]
tools = ["speak"]
[models.mine]
repo = "a/b"
revision = "main"
task = "text"
engine = "mlx-lm"
description = "Mine"
keep_alive = "1h"
[models.local]
path = "/models/local"
[defaults]
vision = "vlm-best"
text = "mine"
image = "image-gen"
transcription = "stt-best"
speech = "tts-fast"
embedding = "embed-small"
"""


def test_every_setting_is_read(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, EVERY_KEY))

    assert settings == Settings(
        InstanceFolders.from_home(tmp_path),
        port=80,
        host="0.0.0.0",  # noqa: S104
        api_key="k",
        tls_cert="/c.pem",
        tls_key="/k.pem",
        allowed_hosts=("mac.local",),
        allowed_origins=("https://a.example", "https://b.example"),
        memory_budget_bytes=500_000_000,
        idle_seconds=-1.0,
        eviction_policy="cost",
        keep_spare_worker=False,
        decode_bytes=300_000_000,
        gpu_lanes="two",
        keep_awake=False,
        queue_per_model=1,
        queue_total=2,
        max_queue_bytes=7_000_000,
        queue_timeout_seconds=3.0,
        load_timeout_seconds=4.0,
        max_answer_tokens=8,
        allowed_folders=(Path("/a"), Path("/b")),
        model_folders=(Path("/a"),),
        allow_urls=True,
        image_provenance=False,
        artifact_keep_days=5.0,
        max_artifact_bytes=6_000_000_000,
        mcp_tools=("speak",),
        model_tables=tomllib.loads(EVERY_KEY)["models"],
        defaults=tomllib.loads(EVERY_KEY)["defaults"],
    )


def test_every_setting_but_those_of_models_has_a_variable(tmp_path: Path) -> None:
    values = {setting.key: value for setting, value in _given(tomllib.loads(EVERY_KEY))}
    variables = {SETTINGS[key].variable: _as_variable(value) for key, value in values.items()}

    settings = load_settings({"SENSES_HOME": str(tmp_path), **variables})

    assert settings == replace(load_settings(written(tmp_path, EVERY_KEY)), model_tables={})


def _given(tree: Mapping[str, Any]) -> Iterator[tuple[Setting, Any]]:
    for setting in SETTINGS.values():
        if setting.variable:
            yield setting, reduce(lambda table, part: table[part], setting.key.split("."), tree)


def _as_variable(value: object) -> str:
    if isinstance(value, list):
        return (":" if "/a" in value else ",").join(value)
    return str(value)


def test_sections_without_a_key_say_nothing(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[memory]\n# budget_gb = 8\n[models]\n[defaults]\n"))

    assert settings == Settings(InstanceFolders.from_home(tmp_path))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"config\.toml cannot be read"):
        load_settings(written(tmp_path, "port = = 1"))
