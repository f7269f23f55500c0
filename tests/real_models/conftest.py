"""One daemon that serves what `make models` made. Tests that use it have the mark `real`."""

import os
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from tests.end_to_end.conftest import RunningDaemon, running_daemon
from tests.real_models.manifest import read_models
from tests.real_models.recordings import LIST_FILE, Recording, read_recordings

ROOT = Path(__file__).parent.parent.parent
ANSWER_SECONDS = 900.0
"""Of one call, on a machine that does much else."""


def find_made(root: Path) -> Path:
    """Return `root` if it has all real models and recordings; a developer may go on without, continuous integration not."""
    wanted = [*(root / ".models" / name for name in read_models()), root / ".recordings" / LIST_FILE]
    missing = [path.relative_to(root) for path in wanted if not path.exists()]
    if not missing:
        return root
    reason = f"There is no {', '.join(map(str, missing))}. Run `make models`."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Whisper base and tiny.en, Kokoro 82M and SmolLM2 135M, each in a folder of its name."""
    return find_made(ROOT) / ".models"


@pytest.fixture(scope="session")
def recordings_folder(models_folder: Path) -> Path:
    """Real speech."""
    return models_folder.parent / ".recordings"


@pytest.fixture(scope="session")
def recordings(recordings_folder: Path) -> list[Recording]:
    """The list of real speech, with its words."""
    return read_recordings(recordings_folder)


@pytest.fixture(scope="session")
def real_daemon(models_folder: Path) -> Generator[RunningDaemon]:
    """`senses serve` with the real models, as `make serve` starts it."""
    with running_daemon(f'model_folders = ["{models_folder}"]\n') as daemon:
        yield daemon


@pytest.fixture(scope="session")
def http(real_daemon: RunningDaemon) -> Generator[httpx2.Client]:
    """A client of that daemon."""
    with httpx2.Client(base_url=real_daemon.url, timeout=ANSWER_SECONDS) as client:
        yield client
