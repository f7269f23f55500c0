import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.problems import Problems
from model_runtime.requests import Task
from model_runtime.scheduler.model_record import ModelRecord, ModelSpec
from model_runtime.supervisor import model_stats
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


@pytest.mark.promise("reliability:machine")
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EACCES, errno.ENOMEM, errno.EIO])
@pytest.mark.parametrize("failures", [1, 10, 60])
def test_measurements_that_cannot_be_written_are_one_problem_and_are_written_as_soon_as_they_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, number: int
) -> None:
    problems, reported, left = Problems(), list[int](), [failures]
    store = ModelStatsStore(tmp_path, problems)
    store.record(EYES, measured(7))

    def write(path: Path, stats: Mapping[str, ModelStats]) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        true_write(path, stats)

    true_write = model_stats.write
    monkeypatch.setattr(model_stats, "write", write)
    for _ in range(failures + 1):
        store.save()
        reported.append(len(problems.reasons()))

    assert reported == [1] * failures + [0]
    assert read(tmp_path / NAME)


def test_a_disk_that_refuses_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    store = ModelStatsStore(tmp_path / "file")
    store.record(EYES, measured(7))

    store.save()

    assert "cannot be written" in caplog.text
