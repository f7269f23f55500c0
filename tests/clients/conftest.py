"""One daemon with starters and tiny models, the files that suites send, and the results of each suite."""

import fcntl
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from benchmarks.instance import STARTERS
from tests.clients.media import write_media
from tests.clients.suites import Suite, read_report, run_suite
from tests.conformance.conftest import skip_or_fail
from tests.end_to_end.conftest import RunningDaemon, running_daemon

Results = Callable[[Suite], dict[str, str]]
MODEL = '[models.{name}]\npath = "{path}"\n'


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiny models as lines of config.toml; `scripted` answers chats of text."""
    from tests.checkpoints import llama, qwen25_vl  # import MLX, which takes a second

    folder = tmp_path_factory.mktemp("models")
    llama.build_scripted(folder / "scripted")
    llama.build(folder / "random")
    qwen25_vl.build(folder / "pictures")
    tables = [MODEL.format(name=one.name, path=one) for one in sorted(folder.iterdir())]
    return f'{STARTERS}text = "scripted"\n{"".join(tables)}'


@pytest.fixture(scope="session")
def daemon(models: str) -> Generator[RunningDaemon]:
    """The daemon that every suite asks."""
    with running_daemon(models) as running:
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
        report = shared / f"{suite.environment}-{suite.package}.xml".replace("/", "-")
        with report.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not report.exists():
                served: RunningDaemon = request.getfixturevalue("daemon")
                environ = suite_environ(served, request.getfixturevalue("media"))
                run_suite(suite, program, report, environ)
        printed = report.with_suffix(".txt").read_text(encoding="utf-8")
        return read_report(report) if report.exists() else pytest.fail(printed)

    return results_of


def suite_environ(daemon: RunningDaemon, media: Path) -> dict[str, str]:
    """Return the variables that tell a suite what it is given; `given.py` and `given.mjs` read them."""
    from tests.checkpoints.llama import SCRIPTED_ANSWER

    return {"SENSES_URL": daemon.url, "SENSES_MEDIA": str(media), "SENSES_SCRIPTED_ANSWER": SCRIPTED_ANSWER}
