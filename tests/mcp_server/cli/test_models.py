from dataclasses import replace

from mcp_server.cli.models import ModelRow, availability, default_note, models_table

MODELS = [
    ModelRow("vlm-best", "vision", "reads text", present=False, size_bytes=5_650_000_000, default=False, starter=False),
    ModelRow("vlm-starter", "vision", "toy", present=True, size_bytes=9_900_000, default=True, starter=True),
]


def test_the_models_say_how_to_get_them() -> None:
    assert models_table(MODELS).splitlines() == [
        "  Model         Task    Size    Status or command     Description",
        "  vlm-best      vision  5.7 GB  senses pull vlm-best  reads text",
        "  vlm-starter*  vision  10 MB   built in              toy",
    ]


def test_the_note_says_why_the_built_in_models_are_the_default() -> None:
    assert "no Apple GPU, so the defaults are" in default_note(apple_gpu=False)
    assert "once it is downloaded" in default_note(apple_gpu=True)


def test_a_model_says_where_it_is() -> None:
    missing, starter = MODELS
    broken = replace(missing, broken_reason="mine: /gone does not exist.")

    assert availability(missing) == "senses pull vlm-best"
    assert availability(replace(missing, present=True)) == "downloaded"
    assert availability(replace(starter, present=False)) == "not in this build"
    assert availability(broken) == "broken"
    assert "mine: /gone does not exist." in models_table([broken])
    assert "reads text" not in models_table([broken])
