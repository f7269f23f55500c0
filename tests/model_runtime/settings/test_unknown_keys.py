"""A key or variable that does not exist is refused with the nearest one that does."""

import re
from pathlib import Path

import pytest

from model_runtime.settings import SettingsError, load_settings
from model_runtime.settings.table import OTHER_VARIABLES, SETTINGS

ROOT = Path(__file__).parents[3]
PRODUCT = ("model_runtime", "mcp_server", "openai_compat", "packaging", "benchmarks", "training/src", "server.json")
"""What reads or sets variables of Senses."""


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("prot = 80", "line 1: prot is unknown. Did you mean port?"),
        ("port = 80\n\n[memory]\nbudget_bg = 8", "line 4: memory.budget_bg is unknown. Did you mean memory.budget_gb?"),
        ("[memroy]\nbudget_gb = 8", "line 2: memroy.budget_gb is unknown. Did you mean memory.budget_gb?"),
        ("memory.budget_bg = 8", "line 1: memory.budget_bg is unknown. Did you mean memory.budget_gb?"),
        ("memory = { spare = true, evict = 1 }", "line 1: memory.evict is unknown. Did you mean memory.eviction?"),
        ("budget_gb = 8", "line 1: budget_gb is unknown. Did you mean memory.budget_gb?"),
        ('[memory]\napi_key = "k"', "line 2: memory.api_key is unknown. Did you mean api_key?"),
        ('[models.mine]\nptah = "/x"', "line 2: models.mine.ptah is unknown. Did you mean models.mine.path?"),
        (
            '[models."my 7b"]\n\nkeep-alive = 5',
            'line 3: models."my 7b".keep-alive is unknown. Did you mean models."my 7b".keep_alive?',
        ),
        (
            '[models.mine]\nwhatever = "/x"',
            (
                "line 2: models.mine.whatever is unknown. Known are models.mine.description, models.mine.engine, "
                "models.mine.keep_alive, models.mine.path, models.mine.repo, models.mine.revision, models.mine.task."
            ),
        ),
        ('[defaults]\nvison = "vlm-best"', "line 2: defaults.vison is unknown. Did you mean defaults.vision?"),
    ],
)
@pytest.mark.promise("settings:unknown")
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_known_key(
    tmp_path: Path, text: str, refusal: str
) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError) as raised:
        load_settings({"SENSES_HOME": str(tmp_path)})

    assert str(raised.value) == f"config.toml {refusal}"


@pytest.mark.promise("settings:unknown")
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({"SENSES_HOME": str(tmp_path), "SENSES_MEMORY_BUDGET_BG": "8"})

    assert str(raised.value) == "SENSES_MEMORY_BUDGET_BG is unknown. Did you mean SENSES_MEMORY_BUDGET_GB?"


def test_a_name_that_is_near_to_none_is_answered_with_all(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SENSES_ZZZ is unknown\. Known are SENSES_ALLOWED_HOSTS, .*SENSES_QUEUE"):
        load_settings({"SENSES_HOME": str(tmp_path), "SENSES_ZZZ": "8"})


@pytest.mark.parametrize("name", [*OTHER_VARIABLES, "PATH"])
def test_variables_that_are_no_settings_are_none_of_our_business(tmp_path: Path, name: str) -> None:
    settings = load_settings({name: "x", "SENSES_HOME": str(tmp_path)})

    assert settings.folders.config == tmp_path


def test_every_variable_that_the_product_names_is_known() -> None:
    known = {setting.variable for setting in SETTINGS.values()} | OTHER_VARIABLES.keys()
    files = [file for place in PRODUCT for file in (ROOT / place, *(ROOT / place).rglob("*")) if file.is_file()]
    named = {
        name
        for file in files
        if file.suffix in {".py", ".json", ".js", ".sh"} and "node_modules" not in file.parts
        for name in re.findall(r"SENSES_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))
    }

    assert named >= {"SENSES_HOME", "SENSES_MCP", "SENSES_DEFAULTS_VISION"}
    assert [name for name in named if not any(variable.startswith(name) for variable in known)] == []
