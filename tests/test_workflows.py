"""What runs where the project is published: README's commands, on the systems that README names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"
LINTER = (Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.github-workflows")
CHROME = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
PROGRAM = '#!/bin/sh\necho "${{0##*/}} $* CHROMIUM=${{CHROMIUM:-}}" >> {log}\n'


def commands(page: str, heading: str) -> list[str]:
    """The commands in the first block of a section, without comments."""
    block = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].split("```")[1]
    return [line.partition(" #")[0].strip() for line in block.splitlines()[1:] if line.strip()]


def is_valid(workflow: Path) -> bool:
    """Whether the linter takes a workflow."""
    return subprocess.run([*LINTER, workflow], check=False, capture_output=True, timeout=60).returncode == 0


@pytest.mark.process
def test_a_linter_takes_the_workflow_and_would_notice_a_misspelt_key(tmp_path: Path) -> None:
    workflow = WORKFLOWS / "readme.yml"
    misspelt = tmp_path / "misspelt.yml"
    misspelt.write_text(workflow.read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")

    assert [file.name for file in WORKFLOWS.iterdir()] == ["readme.yml"]
    assert is_valid(workflow)
    assert not is_valid(misspelt)


@pytest.mark.promise("setup:workflow")
def test_the_workflow_types_what_readme_says_on_a_mac_and_on_linux() -> None:
    workflow = (WORKFLOWS / "readme.yml").read_text(encoding="utf-8")
    start = [line.replace("<this repository>", '"$GITHUB_WORKSPACE"') for line in commands("README.md", "Start")]
    typed = [line.strip().removesuffix(" &") for line in workflow.splitlines()]

    assert start == ['git clone "$GITHUB_WORKSPACE" ~/senses && cd ~/senses', "make serve"]
    assert [line for line in start if line not in typed] == []
    assert re.search(r"system: \[macos-\d+, ubuntu-[\d.]+\]", workflow)
    assert re.findall(r"uses: (.+)", workflow) == ["actions/checkout@v6"]
    assert "make test" in commands("README.md", "Development")
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").endswith("\nmake test\n")


@pytest.mark.process
@pytest.mark.parametrize("installer", ["brew", "apt-get"])
def test_continuous_integration_installs_a_browser_with_what_the_machine_has_and_then_tests(
    tmp_path: Path, installer: str
) -> None:
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))
    for name in (installer, "make"):
        (tmp_path / name).write_text(PROGRAM.format(log=tmp_path / "log"), encoding="utf-8")
        (tmp_path / name).chmod(0o755)

    subprocess.run([ROOT / ".ci" / "run"], env={"PATH": str(tmp_path)}, check=True, timeout=20)

    chromium = str(CHROME) if installer == "brew" else ""
    *installed, clients, test = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [clients, test] == [f"make clients CHROMIUM={chromium}", f"make test CHROMIUM={chromium}"]
    if installer == "apt-get":
        assert installed[-1].startswith("apt-get install ")
    else:
        assert installed == [] if os.access(CHROME, os.X_OK) else installed[0].startswith("brew install ")


@pytest.mark.process
@pytest.mark.parametrize(("is_ci", "asked"), [(True, True), (False, False)])
def test_only_continuous_integration_makes_the_real_models_and_requires_them(is_ci: bool, asked: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if is_ci else {})

    dry_run = subprocess.run(["make", "-n", "test"], cwd=ROOT, env=environ, check=True, capture_output=True, text=True)

    assert ("-m tests.real_models" in dry_run.stdout) is asked
    assert ("REAL_MODELS=1" in dry_run.stdout) is asked
