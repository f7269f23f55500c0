"""The doctor on the real starters: a sentence goes through all four, and the report has what each of them took."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import BIN_FOLDER, RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]


@pytest.mark.promise("cli:doctor")
@pytest.mark.promise("cli:report")
def test_the_doctor_hears_what_it_says_and_sees_what_it_draws_and_measures_it(
    served: RunningDaemon, tmp_path: Path
) -> None:
    command = [str(BIN_FOLDER / "senses"), "doctor", "--report", str(tmp_path / "report.json")]

    done = subprocess.run(command, check=False, env=served.environ, capture_output=True, text=True, timeout=230)

    assert done.returncode == 0, done.stdout
    assert 'ok   spoke "a red circle", heard "a red circle", drew it, saw "A red circle' in done.stdout

    models = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["models"]
    footprints = [[model["memory"][moment]["model_bytes"] for moment in model["memory"]] for model in models]
    assert [model["error"] for model in models] == [""] * 4
    for before, loaded, used, unloaded in footprints:
        assert before == unloaded == 0
        assert min(loaded, used) > 20_000_000
