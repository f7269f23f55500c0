"""Each recipe of the README from its first command to its last, on budgets of a second.

The weights that come out know nothing, but they are the product's files: the same names, tensors, shapes and precision.
"""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from senses_training import paths

FONTS = Path("/usr/share/fonts")
EMBEDDING = "model.safetensors:language_model.model.embed_tokens.weight"
BLINK = ("--minutes", "0.02")

pytestmark = pytest.mark.timeout(600)


def follow(folder: Path, *steps: tuple[str, ...]) -> None:
    """Take the steps of a recipe, each a command of its own, in a folder."""
    for module, *arguments in steps:
        command = [sys.executable, "-m", f"senses_training.{module}", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{module}: {done.stderr[-2000:]}"


def tensors(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """File and name of each tensor → its type and shape."""
    found = {}
    for file in sorted(folder.rglob("*.safetensors")):
        with safe_open(file, "np") as stored:
            for name in stored.keys():  # noqa: SIM118 - no mapping
                part = stored.get_slice(name)
                found[f"{file.relative_to(folder)}:{name}"] = (part.get_dtype(), tuple(part.get_shape()))
    return found


def files(folder: Path) -> set[str]:
    """What a folder holds, but for the card and the scores, which no export writes."""
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    return found - {"README.md", "scores.json"}


def has_espeak() -> bool:
    """Tell whether the recogniser's speaker is installed."""
    try:
        ctypes.CDLL("libespeak-ng.so.1")
    except OSError:
        return False
    return True


def test_the_painters_recipe_makes_the_files_that_are_shipped(tmp_path: Path) -> None:
    follow(
        tmp_path,
        ("painter.train_vae", ".", *BLINK),
        ("painter.train_text", ".", *BLINK),
        ("painter.latents", ".", "--pictures", "2500"),
        ("painter.train_flow", ".", *BLINK),
        ("painter.train_decoder", ".", *BLINK),
        ("painter.weights", "."),
        ("painter.export", ".", "--starter", "made"),
    )

    assert files(tmp_path / "made") == files(paths.IMAGE)
    assert tensors(tmp_path / "made") == tensors(paths.IMAGE)


@pytest.mark.skipif(not any(FONTS.rglob("*.ttf")), reason="There are no fonts in /usr/share/fonts.")
def test_the_vision_recipe_makes_the_files_that_are_shipped(tmp_path: Path) -> None:
    follow(
        tmp_path,
        ("vision.train", "--run", "run", *BLINK),
        ("vision.grow", "run", "grown"),
        ("vision.train", "--run", "grown", *BLINK),
        ("vision.export", "--run", "grown", "--to", "made"),
    )

    assert files(tmp_path / "made") == files(paths.VLM)
    made, shipped = tensors(tmp_path / "made"), tensors(paths.VLM)
    assert made.keys() == shipped.keys()  # Python's own documentation is read, so its version decides some tokens
    assert {name for name in made if made[name] != shipped[name]} <= {EMBEDDING}


def test_the_voices_recipe_makes_the_files_that_are_shipped(tmp_path: Path) -> None:
    follow(
        tmp_path,
        ("voice.corpus", "--out", "corpus.npz", "--count", "120"),
        ("voice.train_sound", "--corpus", "corpus.npz", "--folder", "run", *BLINK),
        ("voice.train_prosody", "--corpus", "corpus.npz", "--folder", "run", *BLINK),
        ("voice.export", "--folder", "run", "--out", "made"),
    )

    assert files(tmp_path / "made") == files(paths.TTS)
    assert tensors(tmp_path / "made") == tensors(paths.TTS)


@pytest.mark.skipif(not has_espeak(), reason="libespeak-ng.so.1 is not installed.")
def test_the_recognisers_recipe_makes_the_weights_that_are_shipped(tmp_path: Path) -> None:
    follow(
        tmp_path,
        ("recogniser.corpus", "--out", "corpus.npz", "--count", "60"),
        ("recogniser.own_voice", "--out", "own.npz", "--count", "4"),
        ("recogniser.train", "--corpus", "corpus.npz", "own.npz", "--folder", "run", *BLINK),
        ("recogniser.export", "--folder", "run", "--out", "made"),
    )

    assert tensors(tmp_path / "made") == tensors(paths.STT)
