"""The doctor on the real starters: a sentence goes through all four and comes back with its meaning."""

import subprocess

import pytest

from tests.end_to_end.conftest import BIN_FOLDER, RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]


@pytest.mark.promise("cli:doctor")
def test_the_doctor_hears_what_it_says_and_sees_what_it_draws(served: RunningDaemon) -> None:
    done = subprocess.run(
        [BIN_FOLDER / "senses", "doctor"], check=False, env=served.environ, capture_output=True, text=True, timeout=230
    )

    assert done.returncode == 0, done.stdout
    assert 'ok   spoke "a red circle", heard "a red circle", drew it, saw "A red circle' in done.stdout
