"""Runs suites against one daemon with starters and tiny models."""

import os
import subprocess
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.clients.media import write_media
from tests.clients.models import write_models
from tests.clients.suites import FOLDER, ROOT, Suite
from tests.end_to_end.conftest import running_daemon

KEY = "sk-of-the-suites"
RUN_SECONDS = 400
"""Of one suite, on a machine that does much else: alone, the longest takes half a minute."""
AT_ONCE = 2


def run_suites(suites: Collection[Suite], folder: Path) -> None:
    """Run all checks of these suites, which are installed, and write their reports into a folder."""
    models = write_models(folder / "models")
    media = write_media(folder / "media")
    with running_daemon(models.config, api_key=KEY) as daemon, ThreadPoolExecutor(AT_ONCE) as pool:
        given = {
            "SENSES_URL": daemon.url,
            "SENSES_KEY": KEY,
            "SENSES_MEDIA": str(media),
            "SENSES_SCRIPTED_ANSWER": models.scripted_answer,
        }
        list(pool.map(partial(run_suite, folder=folder, given=given), suites))


def run_suite(suite: Suite, *, folder: Path, given: Mapping[str, str]) -> None:
    """Run one suite. `given.py` and `given.mjs` read what it is given; what it prints goes beside its report."""
    program = suite.program()
    assert program is not None, suite
    report = folder / suite.report
    ran = subprocess.run(
        suite.command(program, report),
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env={**os.environ, **given, "PYTHONPATH": str(ROOT), "PACKAGE": suite.package},
        cwd=FOLDER / suite.folder,
    )
    report.with_suffix(".txt").write_text(ran.stdout + ran.stderr, encoding="utf-8")
