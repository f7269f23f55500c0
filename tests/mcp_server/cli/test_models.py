from dataclasses import replace

from mcp_server.cli.models import availability, default_note, models_table
from model_runtime.catalog.builtin_models import SHIPPED_MODELS
from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.requests import Task

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
