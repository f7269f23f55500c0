"""What Senses 0.1 left on a disk is read by this version: its settings, what it learned, what it was asked for."""

import json
import logging
from pathlib import Path

import pytest

from model_runtime.catalog.catalog import create_catalog
from model_runtime.settings import load_settings
from model_runtime.supervisor.model_stats import ModelStatsStore, key
from model_runtime.supervisor.scheduler_factory import create_scheduler
from model_runtime.supervisor.usage_log import recent_models
from tests.model_runtime.library import EmptyStore

CONFIG = """
port = 7400
host = "127.0.0.1"
api_key = "secret"
allowed_hosts = ["studio.local"]
allowed_origins = ["http://localhost:3000"]

[memory]
budget_gb = 8
idle_seconds = 60
eviction = "cost"
spare = false

[gpu]
lanes = "two"

[queue]
per_model = 4
total = 16
seconds = 30

[load]
seconds = 90

[files]
allowed_folders = ["/tmp"]
allow_urls = true

[artifacts]
keep_days = 7
max_gb = 2

[mcp]
tools = ["describe_image", "speak"]

[defaults]
vision = "vlm-best"

[models.mine]
repo = "someone/some-model"
task = "text"
engine = "mlx-lm"
keep_alive = "1h"

[models.vlm-fast]
keep_alive = -1
"""


@pytest.mark.promise("upgrade:from-0.1")
def test_every_setting_of_0_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)

    settings = load_settings({"SENSES_HOME": str(tmp_path)})

    assert (settings.port, settings.host, settings.api_key) == (7400, "127.0.0.1", "secret")
    assert (settings.memory_budget_bytes, settings.idle_seconds, settings.keep_spare_worker) == (
        8_000_000_000,
        60,
        False,
    )
    assert (settings.gpu_lanes, settings.queue_per_model, settings.queue_total) == ("two", 4, 16)
    assert (settings.queue_timeout_seconds, settings.load_timeout_seconds) == (30, 90)
    assert (settings.artifact_keep_days, settings.max_artifact_bytes) == (7, 2_000_000_000)
    assert (settings.allow_urls, settings.allowed_folders) == (True, (Path("/tmp"),))  # noqa: S108
    assert settings.mcp_tools == ("describe_image", "speak")
    models = {model.name: model for model in create_catalog(settings, EmptyStore()).models()}
    assert models["mine"].keep_alive_seconds == 3600
    assert models["vlm-fast"].keep_alive_seconds == -1


@pytest.mark.promise("upgrade:from-0.1")
def test_the_cost_policy_of_0_1_is_read_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)

    with caplog.at_level(logging.WARNING):
        create_scheduler(load_settings({"SENSES_HOME": str(tmp_path)}))

    assert any("memory.eviction" in message and "lru" in message for message in caplog.messages)


@pytest.mark.promise("upgrade:from-0.1")
def test_what_0_1_learned_about_models_is_read(tmp_path: Path) -> None:
    catalog = create_catalog(load_settings({"SENSES_HOME": str(tmp_path)}), EmptyStore())
    model = catalog.models()[0]
    facts = {"needed_bytes": 4_000_000_000, "load_seconds": 2.5, "service_seconds": 1.25}
    (tmp_path / "learned.json").write_text(json.dumps({"schema": 1, "models": {key(model): facts}}))

    stats = ModelStatsStore(tmp_path).get(model)

    assert stats is not None
    assert (stats.needed_bytes, stats.load_seconds) == (4_000_000_000, 2.5)


@pytest.mark.promise("upgrade:from-0.1")
def test_the_requests_that_0_1_logged_are_read(tmp_path: Path) -> None:
    lines = [
        '{"t": 1764000000.0, "e": "asked", "m": "stt-fast"}',
        '{"t": 1764000001.0, "e": "loaded", "m": "stt-fast", "s": 1.5, "b": 1500000000}',
        '{"t": 1764000009.0, "e": "asked", "m": "vlm-fast"}',
    ]
    (tmp_path / "trace.jsonl").write_text("\n".join(lines) + "\n")

    assert recent_models(tmp_path) == ["stt-fast", "vlm-fast"]
