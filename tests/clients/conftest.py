"""The results of the suites, which run once for all tests."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.run import run_suites
from tests.clients.suites import Suite, read_report
from tests.conformance.conftest import skip_or_fail

Results = Callable[[Suite], dict[str, str]]


@pytest.fixture(scope="session")
def report_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of all suites that tests ask for: the first process of pytest runs them, others wait."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "clients"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            (folder / "done").touch()
            run_suites(installed_suites(request.session), folder)
    return folder


def installed_suites(session: pytest.Session) -> list[Suite]:
    """Return the suites of the tests that are to run, in their order."""
    parameters = [item.callspec.params for item in session.items if hasattr(item, "callspec")]
    asked = dict.fromkeys(one["suite"] for one in parameters if isinstance(one.get("suite"), Suite))
    return [suite for suite in asked if suite.program()]


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Results:
    """results(suite): what went wrong in each check."""

    def results_of(suite: Suite) -> dict[str, str]:
        if suite.missing_python:
            pytest.skip(f"{suite.title} needs Python {suite.missing_python}, which this machine lacks.")
        if suite.program() is None:
            skip_or_fail(f"{suite.title} is not installed in tests/clients/{suite.environment}: make clients")
        folder: Path = request.getfixturevalue("report_folder")
        report = folder / suite.report
        printed = report.with_suffix(".txt")
        if not printed.exists():
            pytest.fail("The suites did not run; the first test that failed says why.")
        return read_report(report) if report.exists() else pytest.fail(printed.read_text(encoding="utf-8"))

    return results_of
