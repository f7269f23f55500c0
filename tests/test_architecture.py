"""The shape of the code: who may import what, and what the daemon must never carry."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = (
    "mlx",
    "mlx_vlm",
    "mlx_lm",
    "mlx_whisper",
    "mlx_audio",
    "mflux",
    "transformers",
    "torch",
    "numba",
    "scipy",
    "cv2",
)
FOR_WORK = ("PIL", "numpy", "av", "rich", "huggingface_hub", "jsonschema", "tokenizers")
"""What the daemon imports when it is first used."""


@pytest.mark.process
@pytest.mark.promise("daemon:no-mlx")
@pytest.mark.parametrize(
    "module", ["mcp_server.daemon.daemon", "mcp_server.cli.main", "openai_compat.app", "model_runtime.runtime"]
)
def test_the_daemon_carries_no_mlx(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert found.stdout.strip() == "[]"


@pytest.mark.process
@pytest.mark.promise("daemon:lean")
def test_an_idle_daemon_carries_nothing_that_only_work_needs(tmp_path: Path) -> None:
    program = (
        "import os, sys; from mcp_server.daemon import daemon; from model_runtime.settings import load_settings; "
        f"leave = lambda facts: (print([name for name in {(*HEAVY, *FOR_WORK)!r} if name in sys.modules], flush=True),"
        " os._exit(0)); daemon.run(load_settings(os.environ), auto=True, on_ready=leave)"
    )
    environ = {**os.environ, "SENSES_HOME": str(tmp_path)}

    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environ
    )

    assert found.stdout.strip() == "[]"


@pytest.mark.process
def test_the_shim_carries_only_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import mcp_server.launcher.shim; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - {'mcp_server'}; "
        "print(sorted(new - sys.stdlib_module_names))"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert found.stdout.strip() == "[]"


def test_the_lock_pins_every_version_and_names_no_host() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()

    assert len(lines) > 100
    assert [line for line in lines if "==" not in line or "://" in line] == []
