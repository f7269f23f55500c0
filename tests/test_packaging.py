"""What a user installs is complete: code, page, starters and commands."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STARTERS = ROOT / "model_runtime" / "starter"
ALL_STARTERS_BYTES = 32_000_000
MUST_SHIP = (
    "model_runtime/starter/vlm-starter/model.safetensors",
    "model_runtime/starter/vlm-starter/words.txt",
    "model_runtime/starter/stt-starter/weights.safetensors",
    "model_runtime/starter/tts-starter/model.safetensors",
    "model_runtime/starter/image-starter/transformer/0.safetensors",
    "openai_compat/web/index.html",
    "openai_compat/py.typed",
)


@pytest.mark.promise("packaging:wheel")
@pytest.mark.timeout(300)
def test_the_wheel_holds_the_page_the_starters_and_both_commands(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", tmp_path, ROOT], check=True
    )

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (commands,) = (name for name in names if name.endswith("entry_points.txt"))
        entry_points = archive.read(commands).decode()

    assert [name for name in MUST_SHIP if name not in names] == []
    assert not any(name.startswith(("tests/", "training/", "benchmarks/")) for name in names)
    assert "senses = mcp_server.cli:main" in entry_points
    assert "senses-mcp = mcp_server.shim:main" in entry_points


@pytest.mark.parametrize("starter", ["vlm-starter", "stt-starter", "tts-starter", "image-starter"])
def test_every_starter_is_small_and_has_a_card(starter: str) -> None:
    folder = STARTERS / starter

    weights = [file for pattern in ("**/*.safetensors", "**/*.npz") for file in folder.glob(pattern)]
    assert 0 < sum(file.stat().st_size for file in weights) <= 12_000_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert all(word in card.lower() for word in ("data", "seed", "command", "score"))


@pytest.mark.promise("packaging:starters-small")
def test_all_starters_together_are_small() -> None:
    assert sum(file.stat().st_size for file in STARTERS.rglob("*") if file.is_file()) <= ALL_STARTERS_BYTES
