"""What a user installs is complete: code, page, starters and commands."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
REGISTRY_NAME = re.compile(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+")
STARTERS = ROOT / "model_runtime" / "starter"
STARTER_MB = {"vlm-starter": 6.5, "stt-starter": 7.5, "tts-starter": 4.5, "image-starter": 11}
ALL_STARTERS_MB = 30
MUST_SHIP = (
    "model_runtime/starter/vlm-starter/model.safetensors",
    "model_runtime/starter/vlm-starter/words.txt",
    "model_runtime/starter/stt-starter/weights.safetensors",
    "model_runtime/starter/tts-starter/model.safetensors",
    "model_runtime/starter/image-starter/transformer/0.safetensors",
    "openai_compat/web/index.html",
    "openai_compat/py.typed",
    "mcp_server/client_setup/agents/SKILL.md",
    "mcp_server/client_setup/agents/plugin.json",
)


@pytest.mark.process
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
    assert "senses = mcp_server.cli.main:main" in entry_points
    assert "senses-mcp = mcp_server.launcher.shim:main" in entry_points


def read(name: str) -> dict[str, Any]:
    """A JSON file of the repository."""
    content: dict[str, Any] = json.loads((ROOT / name).read_text(encoding="utf-8"))
    return content


@pytest.mark.promise("packaging:registry")
def test_the_registry_the_bundle_and_the_package_tell_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    server, bundle = read("server.json"), read("packaging/mcpb/manifest.json")

    plugin = read("packaging/agents/senses/.claude-plugin/plugin.json")
    assert server["version"] == bundle["version"] == plugin["version"] == project["version"]
    assert bundle["license"] == project["license"]
    assert f"<!-- mcp-name: {server['name']} -->" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_registry_takes_the_description() -> None:
    """What its schema of 2025-12-11 requires of a server."""
    server = read("server.json")

    assert server["$schema"].endswith("/2025-12-11/server.schema.json")
    assert REGISTRY_NAME.fullmatch(server["name"])
    assert 1 <= len(server["description"]) <= 100


@pytest.mark.promise("packaging:locked")
def test_nothing_is_offered_that_would_be_resolved_without_the_overrides_that_the_tests_run_with() -> None:
    overrides = (ROOT / "requirements.overrides").read_text(encoding="utf-8").splitlines()
    offered = [package["registryType"] for package in read("server.json").get("packages", [])]

    assert [line for line in overrides if not line.startswith("#")]  # without any, PyPI's package may be offered
    assert "pypi" not in offered


def test_only_one_opencv_is_locked_the_one_whose_openblas_mlx_needs_on_linux() -> None:
    """Both wheels write the folder `cv2`, and `model_runtime/engines/blas.py` loads a library of the other one."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()

    assert [line.partition("==")[0] for line in lock if line.startswith("opencv")] == ["opencv-python"]


NODE_LOCKS = sorted(path.relative_to(ROOT) for path in ROOT.glob("tests/clients/*/package-lock.json"))
PYTHON_LOCKS = sorted(path.relative_to(ROOT) for path in ROOT.glob("tests/clients/*/requirements.txt"))


@pytest.mark.parametrize(
    "lock", [Path("packaging/package-lock.json"), Path("packaging/clients/package-lock.json"), *NODE_LOCKS], ids=str
)
def test_lock_files_hold_checksums_and_no_addresses(lock: Path) -> None:
    packages = read(str(lock))["packages"]

    assert "://" not in json.dumps(packages)
    assert [name for name, facts in packages.items() if name and "integrity" not in facts] == []


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=str)
def test_requirements_of_clients_hold_checksums_and_no_addresses(lock: Path) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9-]+(?:\[.+\])?==.+?(?=^[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)

    assert "://" not in text
    assert len(packages) > 10
    assert [package for package in packages if "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("starter", STARTER_MB)
def test_every_starter_has_a_card_that_says_how_it_was_made(starter: str) -> None:
    card = (STARTERS / starter / "README.md").read_text(encoding="utf-8")

    assert all(word in card.lower() for word in ("data", "seed", "command", "score"))


def weights_mb(folder: Path) -> float:
    """How large the weights in a folder are."""
    weights = [file for pattern in ("**/*.safetensors", "**/*.npz") for file in folder.glob(pattern)]
    return sum(file.stat().st_size for file in weights) / 1e6


@pytest.mark.promise("packaging:starters-small")
def test_the_starters_are_small_each_and_together() -> None:
    assert {folder.name for folder in STARTERS.iterdir() if folder.is_dir()} == STARTER_MB.keys()
    assert all(0 < weights_mb(STARTERS / name) <= limit for name, limit in STARTER_MB.items())
    assert sum(file.stat().st_size for file in STARTERS.rglob("*") if file.is_file()) / 1e6 <= ALL_STARTERS_MB
