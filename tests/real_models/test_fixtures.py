"""Without the real models `make test` names the command, and `make real` fails."""

import platform
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from tests.real_models.__main__ import make_recordings
from tests.real_models.conftest import find_made
from tests.real_models.manifest import read_models


def test_a_developer_without_the_models_is_told_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REAL_MODELS", raising=False)

    with pytest.raises(pytest.skip.Exception, match="make models"):
        find_made(tmp_path / ".models", ["whisper-base"])


def test_a_run_that_needs_the_models_fails_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAL_MODELS", "1")
    (tmp_path / ".models" / "kokoro-82m").mkdir(parents=True)

    with pytest.raises(pytest.fail.Exception, match=r"There is no \.models/whisper-base\. Run"):
        find_made(tmp_path / ".models", ["kokoro-82m", "whisper-base"])


@pytest.mark.real
def test_every_real_model_is_served_under_the_name_of_its_folder(http: httpx2.Client) -> None:
    listed = {model["id"] for model in http.get("/v1/models").json()["data"]}

    assert set(read_models()) <= listed


@pytest.mark.parametrize(("system", "has_apt"), [(None, True), ("ubuntu", True), ("debian", False)])
def test_without_packages_of_debian_the_models_are_made_and_recordings_left_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    system: str | None,
    has_apt: bool,
) -> None:
    """None is macOS, which has no os-release."""

    def os_release() -> dict[str, str]:
        if system is None:
            raise OSError("no os-release")
        return {"ID": system}

    monkeypatch.setattr(platform, "freedesktop_os_release", os_release)
    monkeypatch.setenv("PATH", str(tmp_path))
    if has_apt:
        (tmp_path / "apt-get").write_text("#!/bin/sh\n")
        (tmp_path / "apt-get").chmod(0o755)

    make_recordings(tmp_path / "recordings", Console(stderr=True))

    assert "packages of Debian, and this is another system" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "recordings").exists()
