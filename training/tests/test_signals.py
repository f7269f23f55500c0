"""What the measures of speech notice, on sounds made for them."""

import numpy as np
import pytest

from starter_world.signals import joins, longest_pause, median_pitch

RATE = 24_000


def test_what_would_spoil_a_join_is_noticed() -> None:
    hum = 0.2 * np.sin(np.arange(RATE) * 2 * np.pi * 120 / RATE)
    quiet = np.zeros(RATE // 5)
    click = np.where(np.arange(RATE // 5) == 10, 0.05, 0)

    assert joins([hum, hum[100:]], RATE)[0].pause_seconds == 0
    assert joins([quiet, click], RATE)[0].step == pytest.approx(0.05)
    assert joins([np.append(hum[:-50], quiet), hum], RATE)[0].step > 0.1
    assert joins([np.append(hum, quiet), hum], RATE)[0].pause_seconds == pytest.approx(0.2, abs=0.02)
    assert longest_pause(np.concatenate([hum, quiet, hum]), RATE) == pytest.approx(0.2, abs=0.02)
    assert median_pitch(hum, RATE) == pytest.approx(120, abs=2)
