from mcp_server.cli.models import ModelRow, default_note, models_table

MODELS = [
    ModelRow("vlm-best", "vision", "reads text", present=False, size_bytes=5_650_000_000, default=False, shipped=False),
    ModelRow("vlm-starter", "vision", "toy", present=True, size_bytes=9_900_000, default=True, shipped=True),
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
