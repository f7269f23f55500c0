"""The demo as people run it: one sentence through all four starters."""

import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.end_to_end.conftest import BIN_FOLDER, RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]
SENTENCE = "a yellow heart on a red background"


@dataclass(frozen=True, slots=True)
class Shown:
    """A demo that is over: its folder, and what it printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def shown(served: RunningDaemon) -> Generator[Shown]:
    """`senses demo` against the running daemon."""
    with tempfile.TemporaryDirectory(prefix="senses-demo-") as parent:
        folder = Path(parent) / "demo"
        command = [str(BIN_FOLDER / "senses"), "demo", "--sentences", "1", "--starters", "--folder", str(folder)]
        demo = subprocess.run(
            command, env=served.environ, check=False, capture_output=True, encoding="utf-8", timeout=240
        )
        assert demo.returncode == 0, demo.stderr
        yield Shown(folder, demo.stdout)


@pytest.mark.promise("demo:loop")
def test_a_sentence_is_said_heard_drawn_and_seen_and_everything_is_kept(shown: Shown) -> None:
    read = {name: (shown.folder / f"01-{name}.txt").read_text(encoding="utf-8").strip() for name in ("heard", "seen")}

    assert read["heard"] == SENTENCE
    assert read["seen"] == "A yellow heart on a red background."
    assert (shown.folder / "01-said.wav").stat().st_size > 20_000
    with Image.open(shown.folder / "01-drawn.png") as drawn:
        assert drawn.size == (512, 512)
    assert f"1  {SENTENCE}" in shown.printed
    assert f"{SENTENCE}  ✓" in shown.printed
    assert "1 of 1 came back with the same meaning" in shown.printed
    assert f"Recordings, pictures and texts: {shown.folder}" in shown.printed
