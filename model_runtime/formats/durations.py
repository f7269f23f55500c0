"""Parse how long a model stays loaded after a request."""

import math
import re

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
MAX_SECONDS = 1e9
ACCEPTED_KEEP_ALIVE = 'seconds (300), a duration ("10m"), 0 to unload when idle or -1 for no timer'
"""What `parse_keep_alive` accepts, for error messages."""
DURATION_PATTERN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
DURATION_PART_PATTERN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_keep_alive(value: object) -> float:
    """Return a keep-alive in seconds; -1.0 means no timer.

    `value` is a number of seconds or a duration as in Ollama's API ("10m", "1h30m"). Negative values mean no timer.

    Raises:
        ValueError: the value is neither, or is longer than MAX_SECONDS.
    """
    seconds = _to_seconds(value)
    if not abs(seconds) <= MAX_SECONDS:  # also rejects NaN
        raise ValueError(f"give {ACCEPTED_KEEP_ALIVE}")
    return seconds if seconds >= 0 else -1.0


def _to_seconds(value: object) -> float:
    if isinstance(value, str):
        return _parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value) if abs(value) <= MAX_SECONDS else math.nan


def _parse_duration(text: str) -> float:
    text = text.strip().lower()
    if DURATION_PATTERN.fullmatch(text.removeprefix("-")):
        total = sum(float(number) * UNIT_SECONDS[unit] for number, unit in DURATION_PART_PATTERN.findall(text))
        return -total if text.startswith("-") else total
    try:
        return float(text)
    except ValueError:
        return math.nan
