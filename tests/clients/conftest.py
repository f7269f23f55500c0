"""One daemon with starters and tiny models, the files that suites send, and the results of each suite."""

import fcntl
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.clients.media import write_media
from tests.clients.models import TinyModels, write_models
from tests.clients.suites import Suite, read_report, run_suite
from tests.conformance.conftest import skip_or_fail
from tests.end_to_end.conftest import RunningDaemon, running_daemon

Results = Callable[[Suite], dict[str, str]]
KEY = "sk-of-the-suites"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """The tiny models."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def answer(models: TinyModels) -> str:
    """What the model `scripted` answers to anything."""
    return models.scripted_answer


@pytest.fixture(scope="session")
def daemon(models: TinyModels) -> Generator[RunningDaemon]:
    """The daemon that every suite asks."""
    with running_daemon(models.config, api_key=KEY) as running:
        yield running


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that suites send."""
    return write_media(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """results(suite): what went wrong in each check. The first who asks runs the suite, also of parallel pytests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base

    def results_of(suite: Suite) -> dict[str, str]:
        program = suite.program() or skip_or_fail(f"{suite.title} is not installed in {suite.environment}: make clients")
        report = shared / f"{suite.package}-{suite.version}.xml"
        with report.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not report.exists():
                run_suite(suite, program, report, request.getfixturevalue("suite_environ"))
        printed = report.with_suffix(".txt").read_text(encoding="utf-8")
        return read_report(report) if report.exists() else pytest.fail(printed)

    return results_of


@pytest.fixture(scope="session")
def suite_environ(daemon: RunningDaemon, media: Path, answer: str) -> dict[str, str]:
    """The variables that tell a suite what it is given; `given.py` and `given.mjs` read them."""
    return {
        "SENSES_URL": daemon.url,
        "SENSES_KEY": KEY,
        "SENSES_MEDIA": str(media),
        "SENSES_SCRIPTED_ANSWER": answer,
    }
