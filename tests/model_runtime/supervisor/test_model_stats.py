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
def test_what_was_learned_is_known_after_a_restart(tmp_path: Path) -> None:
    ledger = ModelStatsStore(tmp_path)
    ledger.record(EYES, measured(7))
    ledger.save()

    assert ModelStatsStore(tmp_path).get(EYES) == ModelStats(7, 4.5, 0.25)


def test_other_files_under_the_same_name_are_learned_anew(tmp_path: Path) -> None:
    ledger = ModelStatsStore(tmp_path)
    ledger.record(EYES, measured(7))

    assert ledger.get(replace(EYES, path="/models/other-eyes")) is None
    assert ledger.get(replace(EYES, options={"max_pixels": 100})) is None


def test_a_file_cut_off_at_any_byte_is_as_if_there_were_none(tmp_path: Path) -> None:
    ledger = ModelStatsStore(tmp_path)
    ledger.record(EYES, measured(7))
    ledger.save()
    whole = (tmp_path / NAME).read_bytes()

    for length in range(len(whole)):
        (tmp_path / NAME).write_bytes(whole[:length])
        assert read(tmp_path / NAME) == {}


@pytest.mark.parametrize(
    "text", ['{"schema": 2, "models": {}}', "[]", '{"schema": 1}', '{"schema": 1, "models": {"m": 3}}']
)
def test_a_file_that_is_not_ours_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)

    assert read(tmp_path / NAME) == {}


def test_a_disk_that_refuses_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    ledger = ModelStatsStore(tmp_path / "file")
    ledger.record(EYES, measured(7))

    ledger.save()

    assert "cannot be written" in caplog.text
