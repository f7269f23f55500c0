"""A model that is asked to think and has no switch for that tells it."""

from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.requests import Chat, Message, Task
from model_runtime.validation.thinking import thinking_warnings

MODEL = Model("a-model", Task.TEXT, "mlx-lm", "for a test")
SWITCHED = "{% if enable_thinking %}<think>{% endif %}"


@pytest.mark.promise("chat:reasoning-switched")
@pytest.mark.parametrize(
    ("template", "enable_thinking", "is_told"),
    [("{{ messages }}", True, True), ("{{ messages }}", False, False), (SWITCHED, True, False)],
)
def test_a_model_without_a_switch_tells_that_it_thinks_as_it_was_made_to(
    tmp_path: Path, template: str, enable_thinking: bool, is_told: bool
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text(template)
    request = Chat("a-model", (Message("user", ("Hi.",)),), enable_thinking=enable_thinking)

    warnings = thinking_warnings(request, MODEL, {"model": tmp_path})

    assert ["a-model has no switch for it" in warning for warning in warnings] == [True] * is_told
