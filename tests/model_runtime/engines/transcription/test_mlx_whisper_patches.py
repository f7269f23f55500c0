"""The replacements in mlx-whisper are worth their place while the library needs numba and scipy."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engines

PROGRAM = """
import json, sys
from mlx_whisper import timing
names_of_dtw = [vars(timing)[name] for name in timing.dtw.__code__.co_names if name in vars(timing)]
print(json.dumps({
    "imports": sorted({"numba", "scipy"} & set(sys.modules)),
    "dtw is compiled by numba": any(type(value).__module__.startswith("numba") for value in names_of_dtw),
    "median_filter uses scipy": "signal" in timing.median_filter.__code__.co_names,
}))
"""


@pytest.fixture(scope="module")
def library() -> dict[str, object]:
    """Return what holds for mlx-whisper as it is installed, in a process of its own."""
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    facts: dict[str, object] = json.loads(found.stdout)
    return facts


def test_the_library_still_imports_numba_or_scipy(library: dict[str, object]) -> None:
    assert library["imports"], (
        "mlx-whisper imports neither numba nor scipy now: remove import_without_numba_and_scipy "
        "(model_runtime/engines/transcription/mlx_whisper_patches.py) and import its modules directly"
    )


def test_the_librarys_word_alignment_still_needs_numba_or_scipy(library: dict[str, object]) -> None:
    assert library["dtw is compiled by numba"] or library["median_filter uses scipy"], (
        "mlx-whisper aligns words without numba and scipy now: remove install_numpy_alignment, dtw and median_filter "
        "(model_runtime/engines/transcription/word_timestamps.py)"
    )
