"""Real clients pass their suites, each in an environment of its own: every check is a test of its own here."""

import pytest

from tests.clients.conftest import Results
from tests.clients.suites import SUITES, Suite
from tests.clients.table import TABLE_PAGE, documented, table

CHECKS = [(suite, check) for suite in SUITES for check in suite.checks]


def id_of(suite: Suite, check: str) -> str:
    """Return what a check is called in reports."""
    return f"{suite.package} {suite.version}: {check}"


@pytest.mark.engines
@pytest.mark.promise("openai:clients")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("suite", "check"), [pytest.param(*one, id=id_of(*one)) for one in CHECKS])
def test_a_check_of_a_real_client_passes(suite: Suite, check: str, results: Results) -> None:
    problems = results(suite)

    assert check in problems, f"{check} did not run"
    assert problems[check] == ""


def test_every_suite_has_checks_of_different_names() -> None:
    for suite in SUITES:
        assert suite.checks
        assert sorted(suite.checks) == sorted(set(suite.checks)), suite.title


def test_the_table_of_clients_tells_versions_and_checks_as_they_are() -> None:
    assert documented() == table(), f"Run `make docs`, which writes the table of {TABLE_PAGE.name}."
