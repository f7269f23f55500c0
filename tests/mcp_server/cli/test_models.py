from dataclasses import replace
from pathlib import Path

import pytest

from mcp_server.cli.models import availability, default_note, models_table, newer_text
from model_runtime.catalog.builtin_models import REAL_MODELS, SHIPPED_MODELS
from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.requests import Task
from model_runtime.settings import load_settings
from tests.fake_hub import COMMIT, FakeHub, serve

MODELS = [
    (Model("vlm-best", Task.VISION, "mlx-vlm", "reads text"), ModelInfo(weights_bytes=5_650_000_000)),
    (
        SHIPPED_MODELS[0],
        ModelInfo(present=True, default=True, weights_bytes=9_900_000),
    ),
]


def test_the_models_say_how_to_get_them() -> None:
    assert models_table(MODELS).splitlines() == [
        "  Model         Task    Size    Status or command     Description",
        "  vlm-best      vision  5.7 GB  senses pull vlm-best  reads text",
        "  vlm-starter*  vision  10 MB   built in              Built in: names, counts and places shapes, reads short words and numbers",
    ]


def test_the_note_says_why_the_built_in_models_are_the_default() -> None:
    assert "no Apple GPU, so the defaults are" in default_note(apple_gpu=False)
    assert "once it is downloaded" in default_note(apple_gpu=True)


def test_a_model_says_where_it_is() -> None:
    (missing, absent), (starter, present) = MODELS
    broken = replace(absent, broken_reason="mine: /gone does not exist.")

    assert availability(missing, absent) == "senses pull vlm-best"
    assert availability(missing, present) == "downloaded"
    assert availability(starter, absent) == "not in this build"
    assert availability(missing, broken) == "broken"
    assert "mine: /gone does not exist." in models_table([(missing, broken)])
    assert "reads text" not in models_table([(missing, broken)])


@pytest.mark.promise("reliability:newer-offered")
def test_newer_versions_are_told_with_the_commands_that_take_them_and_go_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = next(model for model in REAL_MODELS if model.name == "tts-fast").artifacts[0]
    files = {"config.json": b"{}", "weights.safetensors": b"weights"}
    settings = load_settings({"SENSES_HOME": str(tmp_path / "home")})
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    snapshot = tmp_path / "hub" / f"models--{artifact.repo.replace('/', '--')}" / "snapshots" / artifact.revision
    snapshot.mkdir(parents=True)
    for name, content in files.items():
        (snapshot / name).write_bytes(content)

    with serve(FakeHub({artifact.repo: files})) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        offered = newer_text(settings)
        hub.commit = artifact.revision
        nothing = newer_text(settings)

    assert f"a71e4d3  {COMMIT[:7]}  senses pull tts-fast --version newest" in offered
    assert "senses pull MODEL --version shipped` goes back" in offered
    assert nothing == "No downloaded model has a newer version."
