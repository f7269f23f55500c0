"""Times in subtitles."""

import pytest

from model_runtime.formats.subtitles import format_timestamp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00,000"),
        (-1, "00:00:00,000"),
        (59.999, "00:00:59,999"),
        (60, "00:01:00,000"),
        (3600, "01:00:00,000"),
        (3661.5, "01:01:01,500"),
        (360_000, "100:00:00,000"),
    ],
)
def test_a_time_has_hours_minutes_seconds_and_milliseconds(seconds: float, text: str) -> None:
    assert format_timestamp(seconds, ",") == text
