"""What people read about settings is what the table says."""

import re
from pathlib import Path

import pytest

from model_runtime.settings.reference import settings_tables, update_page
from model_runtime.settings.table import SETTINGS, Setting

ROOT = Path(__file__).parents[3]


@pytest.mark.promise("settings:documented")
def test_the_page_of_settings_is_what_the_table_renders() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert all(table in written for table in settings_tables()), "run `make docs`"
    assert written == update_page(written)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.key)
def test_the_page_has_a_row_for_every_setting(setting: Setting) -> None:
    (row,) = [
        line for table in settings_tables() for line in table.splitlines() if line.startswith(f"| `{setting.key}` |")
    ]

    assert row.endswith(f"| {setting.description} |")
    assert not setting.variable or f"`{setting.variable}`" in row


@pytest.mark.promise("settings:documented")
def test_the_readme_names_every_key_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## Settings\n")[2].partition("\n## ")[0]
    keys = [key for row in re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE) for key in re.findall("`(.+?)`", row)]

    assert sorted(keys) == sorted(["config.toml", *SETTINGS])
