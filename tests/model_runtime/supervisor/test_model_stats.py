from dataclasses import replace
from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.requests import Task
from model_runtime.scheduler.model_record import ModelRecord, ModelSpec
from model_runtime.supervisor.model_stats import NAME, ModelStats, ModelStatsStore, read

EYES = Model("eyes", Task.VISION, "mlx-vlm", "", path="/models/eyes")


def measured(needed_bytes: int) -> ModelRecord:
    record = ModelRecord.from_spec(ModelSpec("eyes", 1))
    record.needed_bytes, record.load_seconds, record.service_seconds = needed_bytes, 4.5, 0.25
    return record


@pytest.mark.promise("runtime:learns")
def test_measurements_are_known_after_a_restart(tmp_path: Path) -> None:
    store = ModelStatsStore(tmp_path)
    store.record(EYES, measured(7))
    store.save()

    assert ModelStatsStore(tmp_path).get(EYES) == ModelStats(7, 4.5, 0.25)


def test_other_files_or_options_under_the_same_name_have_no_measurements(tmp_path: Path) -> None:
    store = ModelStatsStore(tmp_path)
    store.record(EYES, measured(7))

    assert store.get(replace(EYES, path="/models/other-eyes")) is None
    assert store.get(replace(EYES, options={"max_pixels": 100})) is None


def test_a_file_truncated_at_any_byte_has_no_measurements(tmp_path: Path) -> None:
    store = ModelStatsStore(tmp_path)
    store.record(EYES, measured(7))
    store.save()
    whole = (tmp_path / NAME).read_bytes()

    for length in range(len(whole)):
        (tmp_path / NAME).write_bytes(whole[:length])
        assert read(tmp_path / NAME) == {}


@pytest.mark.parametrize(
    "text", ['{"schema": 2, "models": {}}', "[]", '{"schema": 1}', '{"schema": 1, "models": {"m": 3}}']
)
def test_a_file_of_another_format_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)

    assert read(tmp_path / NAME) == {}


def test_a_disk_that_refuses_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    store = ModelStatsStore(tmp_path / "file")
    store.record(EYES, measured(7))

    store.save()

    assert "cannot be written" in caplog.text
