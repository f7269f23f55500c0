"""What the built-in names download and mean changes only on purpose: in `builtin_models.json` as well as in the product.

    python -m tests.model_runtime.catalog.test_builtin_models

writes the file anew. Read the difference: a repository, a revision or a size that is wrong is downloaded by users.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model_runtime.catalog.builtin_models import (
    ALIASES_BY_TIER,
    BUILTIN_MODELS,
    STARTER_BY_TASK,
    STARTER_MODELS,
    starter_options,
)
from model_runtime.catalog.model import Model
from model_runtime.catalog.openai_names import OPENAI_FAMILIES
from model_runtime.catalog.voices import DEFAULT_VOICES, KOKORO_LANGUAGES, MARVIS_LANGUAGES, OPENAI_VOICES

FILE = Path(__file__).with_name("builtin_models.json")


def facts() -> dict[str, Any]:
    """Return the tables as JSON holds them."""
    tables = {
        "models": {model.name: model_facts(model) for model in BUILTIN_MODELS},
        "aliases": {
            task: {tier: list(names) for tier, names in tiers.items()} for task, tiers in ALIASES_BY_TIER.items()
        },
        "starters": dict(STARTER_BY_TASK),
        "openai_families": [asdict(family) for family in OPENAI_FAMILIES],
        "openai_voices": dict(OPENAI_VOICES),
        "default_voices": dict(DEFAULT_VOICES),
        "kokoro_languages": dict(KOKORO_LANGUAGES),
        "marvis_languages": list(MARVIS_LANGUAGES),
    }
    return dict(json.loads(json.dumps(tables)))


def model_facts(model: Model) -> dict[str, Any]:
    """Return everything about a model but the words for people."""
    kept = {name: value for name, value in asdict(model).items() if name not in ("name", "description")}
    return kept | {"path": Path(model.path).name}


def test_what_is_built_in_is_what_was_written_down() -> None:
    assert facts() == json.loads(FILE.read_text(encoding="utf-8"))


def test_the_options_of_a_starter_are_its_own() -> None:
    for model in STARTER_MODELS:
        assert starter_options(model.name) == model.options


if __name__ == "__main__":
    FILE.write_text(json.dumps(facts(), indent=1) + "\n", encoding="utf-8")
