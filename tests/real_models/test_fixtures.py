"""Without the real models a developer is told the command, and continuous integration fails."""

from pathlib import Path

import httpx2
import pytest

from tests.real_models.conftest import find_made
from tests.real_models.manifest import read_models
from tests.real_models.recordings import LIST_FILE


def test_a_developer_without_the_models_is_told_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="make models"):
        find_made(tmp_path)


def test_continuous_integration_without_a_model_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    (tmp_path / ".recordings").mkdir()
    (tmp_path / ".recordings" / LIST_FILE).write_text("[]", encoding="utf-8")

    with pytest.raises(pytest.fail.Exception, match=r"no \.models/whisper-base"):
        find_made(tmp_path)


@pytest.mark.real
def test_every_real_model_is_served_under_the_name_of_its_folder(http: httpx2.Client) -> None:
    listed = {model["id"] for model in http.get("/v1/models").json()["data"]}

    assert set(read_models()) <= listed
