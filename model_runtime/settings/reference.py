"""Render the tables of `docs/settings.md`; `python -m model_runtime.settings.reference docs/settings.md` updates them."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from model_runtime.settings.table import OTHER_VARIABLES, SETTINGS, Setting

COLUMNS: Mapping[str, Callable[[Setting], str]] = {
    "`config.toml`": lambda setting: f"`{setting.key}`",
    "variable": lambda setting: f"`{setting.variable}`",
    "default": lambda setting: setting.kind.show(setting.default),
    "accepted": lambda setting: setting.kind.accepted,
    "restart": lambda setting: "" if setting.is_live else "yes",
    "description": lambda setting: setting.description,
}


def update_page(page: str) -> str:
    """Return a Markdown page with its four tables rendered again; the text around them stays as it is."""
    tables = settings_tables()
    return re.sub(r"(^\|.*\n)+", lambda written: next(tables), page, flags=re.MULTILINE)


def settings_tables() -> Iterator[str]:
    """Yield the tables of the fields of `Settings`, the default models, the keys of an alias and other variables."""
    defaults = [setting for key, setting in SETTINGS.items() if key.startswith("defaults.")]
    yield _settings_table([setting for setting in SETTINGS.values() if setting.field])
    yield _settings_table(defaults, without={"default"})
    yield _settings_table([setting for setting in SETTINGS.values() if not setting.variable], {"variable", "default"})
    yield _table(("variable", "description"), ((f"`{name}`", text) for name, text in OTHER_VARIABLES.items()))


def _settings_table(settings: Iterable[Setting], without: Iterable[str] = ()) -> str:
    columns = {name: column for name, column in COLUMNS.items() if name not in without}
    return _table(tuple(columns), ([column(setting) for column in columns.values()] for setting in settings))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(update_page(path.read_text(encoding="utf-8")), encoding="utf-8")
