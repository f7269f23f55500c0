from pathlib import Path

import pytest

from model_runtime.supervisor import usage_log
from model_runtime.supervisor.usage_log import ModelRequest, UsageLog, parse, recent_models


def test_requests_are_read_back_in_order(tmp_path: Path) -> None:
    times = iter([1.0, 2.0])
    log = UsageLog(tmp_path, lambda: next(times))
    log.record("eyes")
    log.record("ears")
    log.save()

    lines = (tmp_path / usage_log.NAME).read_text().splitlines()

    assert list(parse(lines)) == [ModelRequest(1.0, "eyes"), ModelRequest(2.0, "ears")]
    assert recent_models(tmp_path) == ["eyes", "ears"]


def test_the_log_of_senses_0_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "trace.jsonl").write_text(
        '{"t": 1764000000.0, "e": "asked", "m": "eyes"}\n'
        '{"t": 1764000002.5, "e": "loaded", "m": "eyes", "s": 2.5, "b": 700}\n'
        '{"t": 1764000009.0, "e": "asked", "m": "ears"}\n'
    )

    assert recent_models(tmp_path) == ["eyes", "ears"]


def test_a_full_log_becomes_the_older_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_log, "LARGEST_BYTES", 300)
    log = UsageLog(tmp_path, lambda: 5.0)
    for _ in range(40):
        log.record("eyes")
        log.record("eyes")
        log.save()

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]

    assert len(sizes) <= 2
    assert max(sizes) < 500
    assert usage_log.older(tmp_path / usage_log.NAME).exists()


def test_incomplete_and_unknown_lines_are_skipped() -> None:
    lines = ['{"t": 1, "e": "ask', "[]", "3", '{"e": "asked"}', '{"t": "x", "e": "asked", "m": "eyes"}']

    assert list(parse(lines)) == []


def test_a_log_truncated_at_any_byte_keeps_the_lines_before_and_takes_new_ones(tmp_path: Path) -> None:
    log = UsageLog(tmp_path, lambda: 5.0)
    log.record("ears")
    log.record("ears")
    log.save()
    whole = (tmp_path / usage_log.NAME).read_bytes()

    for length in range(len(whole)):
        (tmp_path / usage_log.NAME).write_bytes(whole[:length])
        log.record("eyes")
        log.record("eyes")
        log.save()

        found = recent_models(tmp_path)
        lines_left = whole[:length].count(b"\n") + (whole[length : length + 1] == b"\n")
        assert found == ["ears"] * lines_left + ["eyes", "eyes"]


def test_a_disk_that_refuses_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    log = UsageLog(tmp_path / "file", lambda: 5.0)
    log.record("eyes")

    log.save()

    assert "cannot be written" in caplog.text
