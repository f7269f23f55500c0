"""Real clients pass their suites, each in an environment of its own: every check is a test of its own here."""

from pathlib import Path

import pytest

from tests.clients.conftest import Results
from tests.clients.suites import SUITES, Suite, read_report
from tests.clients.table import TABLE_PAGE, documented, table

CHECKS = [(suite, check) for suite in SUITES for check in suite.checks]


def id_of(suite: Suite, check: str) -> str:
    """Return what a check is called in reports."""
    return f"{suite.package or suite.folder} {suite.version}: {check}"


@pytest.mark.engines
@pytest.mark.promise("openai:clients")
@pytest.mark.promise("openai:replays")
@pytest.mark.timeout(900)  # the first one waits for all suites
@pytest.mark.parametrize(("suite", "check"), [pytest.param(*one, id=id_of(*one)) for one in CHECKS])
def test_a_check_of_a_real_client_passes(suite: Suite, check: str, results: Results) -> None:
    problems = results(suite)

    assert check in problems, f"{check} did not run"
    assert problems[check] == ""


REPORT = """<testsuites><testsuite>
  <testcase name="test_a[one]"/><testcase name="test_a[two]"><failure message="2 is not 3">where</failure></testcase>
  <testcase name="test_b"/><testcase name="a chat, whole"><skipped message="no"/></testcase>
</testsuite></testsuites>"""


def test_a_report_tells_what_is_wrong_with_each_check_and_joins_its_cases(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")

    problems = read_report(tmp_path / "report.xml")

    assert problems == {
        "test_a": "test_a[two]: 2 is not 3\nwhere",
        "test_b": "",
        "a chat, whole": "a chat, whole: no\n",
    }


def test_every_suite_has_checks_of_different_names() -> None:
    for suite in SUITES:
        assert suite.checks
        assert sorted(suite.checks) == sorted(set(suite.checks)), suite.title


def test_the_table_of_clients_tells_versions_and_checks_as_they_are() -> None:
    assert documented() == table(), f"Run `make docs`, which writes the table of {TABLE_PAGE.name}."
