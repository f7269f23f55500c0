"""`senses pull` in this process, with a download of the test's own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_server.cli import pull as command
from mcp_server.cli.pull import pull_as_json, pull_model
from model_runtime.catalog.model import DEFAULT_PATTERNS, Model, ModelArtifact
from model_runtime.errors import Cancelled, SensesError, UnknownModel
from model_runtime.hub.progress import DownloadProgress, ProgressCallback
from model_runtime.hub.version import Version
from model_runtime.requests import Task
from model_runtime.settings import Settings, load_settings
from model_runtime.sizes import format_bytes


@dataclass
class FakeDownload:
    """In place of `pull`: reports each progress at its time, or is interrupted."""

    progress: tuple[tuple[float, int], ...] = ()
    """Times in seconds and done bytes, of 4000 in all."""
    is_interrupted: bool = False
    now: float = 0.0
    models: list[Model] = field(default_factory=list)
    caches: list[Path] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)

    def pull(self, model: Model, cache: Path, report: ProgressCallback, *, version: Version) -> Mapping[str, Path]:
        """Download nothing."""
        self.versions.append(version)
        self.models.append(model)
        self.caches.append(cache)
        for now, done_bytes in self.progress:
            self.now = now
            report(DownloadProgress("model.safetensors", done_bytes, 4000))
        if self.is_interrupted:
            raise KeyboardInterrupt
        return {"model": cache / "words"}

    def monotonic(self) -> float:
        """Return the time of the last progress."""
        return self.now


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of downloaded models."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def download(cache: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDownload:
    """A download that has nothing to do until a test says so."""
    fake = FakeDownload()
    monkeypatch.setattr(command, "pull", fake.pull)
    monkeypatch.setattr(command, "time", fake)
    return fake


def test_a_repository_is_pulled_whole_into_the_cache(settings: Settings, download: FakeDownload, cache: Path) -> None:
    lines: list[str] = []

    pull_model(settings, "lab/words", lines.append)

    whole = ModelArtifact("model", "lab/words", "main", DEFAULT_PATTERNS, 0)
    assert download.models == [Model("lab/words", Task.TEXT, "", "", (whole,))]
    assert download.caches == [cache]
    assert lines == [f"lab/words: lab/words into {cache}", f"lab/words is complete: {cache}/words"]


def test_a_known_model_is_announced_with_its_size(settings: Settings, download: FakeDownload, cache: Path) -> None:
    lines: list[str] = []

    pull_model(settings, "vlm-best", lines.append)

    (model,) = download.models
    repositories = ", ".join(artifact.repo for artifact in model.artifacts)
    assert model.download_bytes > 1_000_000_000
    assert lines[0] == f"vlm-best: {repositories} ({format_bytes(model.download_bytes)}) into {cache}"


def test_a_person_sees_the_file_and_the_bytes(
    settings: Settings, download: FakeDownload, capsys: pytest.CaptureFixture[str]
) -> None:
    download.progress = ((1.0, 1000), (2.0, 3000))

    pull_model(settings, "lab/words", lambda line: None)

    shown = capsys.readouterr().out
    assert "model.safetensors" in shown
    assert "3.0/4.0 kB" in shown


def test_a_model_on_this_disk_is_not_downloaded(settings: Settings, download: FakeDownload) -> None:
    lines: list[str] = []

    pull_model(settings, "tts-starter", lines.append)

    (line,) = lines
    assert line.startswith("tts-starter is in /")
    assert line.endswith("; there is nothing to download.")
    assert download.models == []


def test_a_folder_that_has_gone_is_told(tmp_path: Path, download: FakeDownload) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('[models.mine]\npath = "/gone"\ntask = "text"\n', encoding="utf-8")

    with pytest.raises(SensesError, match="/gone"):
        pull_model(load_settings({"SENSES_HOME": str(home)}), "mine", lambda line: None)


def test_ctrl_c_says_that_finished_files_are_kept(settings: Settings, download: FakeDownload) -> None:
    download.is_interrupted = True

    with pytest.raises(Cancelled, match="Finished files are kept"):
        pull_model(settings, "lab/words", lambda line: None)


@pytest.mark.parametrize("run", [pull_model, pull_as_json])
def test_a_name_that_is_no_repository_is_refused(
    settings: Settings, download: FakeDownload, run: Callable[[Settings, str, Callable[[str], None]], None]
) -> None:
    with pytest.raises(UnknownModel, match="words"):
        run(settings, "words", lambda line: None)

    assert download.models == []


def test_programs_get_the_progress_four_times_a_second_and_the_last_one_always(
    settings: Settings, download: FakeDownload, cache: Path
) -> None:
    download.progress = ((0.25, 1), (0.49, 2), (0.5, 3), (0.7, 4))
    lines: list[str] = []

    pull_as_json(settings, "lab/words", lines.append)

    assert [json.loads(line) for line in lines] == [{"done_bytes": done, "total_bytes": 4000} for done in (1, 3, 4)]
    assert download.caches == [cache]


def test_programs_get_one_line_of_a_download_without_progress(settings: Settings, download: FakeDownload) -> None:
    lines: list[str] = []

    pull_as_json(settings, "lab/words", lines.append)

    assert [json.loads(line) for line in lines] == [{"done_bytes": 0, "total_bytes": 0}]
