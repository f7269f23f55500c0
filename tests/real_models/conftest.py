"""What `make models` made, and one daemon that serves it. Tests that use it have the mark `real`.

The environment is set here, before anything imports MLX.
"""

import os
from collections.abc import Generator, Iterable
from pathlib import Path

import httpx2
import pytest

from tests.end_to_end.conftest import RunningDaemon, running_daemon
from tests.real_models.download import has_debian_packages
from tests.real_models.manifest import read_models
from tests.real_models.recordings import LIST_FILE, Recording, read_recordings
from tests.real_models.results import Results

CHECKOUT = Path(__file__).parents[2]
MODELS, RECORDINGS = CHECKOUT / ".models", CHECKOUT / ".recordings"
ANSWER_SECONDS = 900.0
"""Of one call, on a machine that does much else."""

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def find_made(folder: Path, names: Iterable[str]) -> Path:
    """Return `folder` if it has all of `names`; `make test` goes on without, `make real`, which sets REAL_MODELS, not."""
    missing = [name for name in names if not (folder / name).exists()]
    if not missing:
        return folder
    reason = f"There is no {', '.join(f'{folder.name}/{name}' for name in missing)}. Run `make models`."
    if os.environ.get("REAL_MODELS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Whisper base and tiny.en, Kokoro 82M and SmolLM2 135M, each in a folder of its name."""
    return find_made(MODELS, read_models())


@pytest.fixture(scope="session")
def recordings_folder(models_folder: Path) -> Path:
    """Real speech, out of packages of Debian."""
    if not has_debian_packages():
        pytest.skip("Recordings are in packages of Debian, and this is another system.")
    return find_made(RECORDINGS, [LIST_FILE])


@pytest.fixture(scope="session")
def recordings(recordings_folder: Path) -> list[Recording]:
    """The list of real speech, with its words."""
    return read_recordings(recordings_folder)


@pytest.fixture(scope="session")
def real_daemon(models_folder: Path) -> Generator[RunningDaemon]:
    """`senses serve` with the real models, as `make serve` starts it; on a busy machine its requests wait for a load."""
    lines = f'model_folders = ["{models_folder}"]\n[queue]\nseconds = {ANSWER_SECONDS:.0f}\n'
    with running_daemon(lines) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def http(real_daemon: RunningDaemon) -> Generator[httpx2.Client]:
    """A client of that daemon."""
    with httpx2.Client(base_url=real_daemon.url, timeout=ANSWER_SECONDS) as client:
        yield client


@pytest.fixture(scope="session")
def is_complete(request: pytest.FixtureRequest) -> bool:
    """Whether everything is asked, as by `make real`, or a quick set."""
    return bool(request.config.getoption("complete"))


@pytest.fixture(scope="session")
def results(is_complete: bool) -> Generator[Results]:
    """The numbers that tests find; those of a complete run are kept."""
    found = Results()
    yield found
    if is_complete:
        found.write()
