"""Render the table of settings as `docs/settings.md`; `python -m model_runtime.settings` prints it."""

from collections.abc import Iterable, Sequence

from model_runtime.settings.table import OTHER_VARIABLES, SETTINGS, Setting

INTRODUCTION = """# Settings

Everything has a default that works. `senses status` prints where `config.toml` is. A key with a dot belongs to the
section before it: `memory.idle_seconds` is `idle_seconds` below `[memory]`. Keys without a dot are above the first
section. A variable overrides the file. An unknown key or variable is refused with the nearest known one.
"""

DEFAULT_MODELS = """## Default models

Which model answers calls that name none. Without a setting, it is the preferred model of the task that is on this disk.
"""

MODELS = """## Your own models

`[models.NAME]` adds the alias `NAME`, or changes a built-in one. It needs `path`, or `repo` with `task` and `engine`.

```toml
[models.mine]
path = "/Volumes/models/llama"
keep_alive = "1h"
```

An alias whose folder is missing or cannot be used is listed with the reason. All other models are served.
"""

VARIABLES = """## Other variables
"""


def settings_page() -> str:
    """Return the page."""
    plain = [setting for setting in SETTINGS.values() if setting.field not in {"defaults", "models"}]
    defaults = [setting for setting in SETTINGS.values() if setting.field == "defaults"]
    models = [setting for setting in SETTINGS.values() if setting.field == "models"]
    parts = [
        INTRODUCTION,
        _table(("`config.toml`", "variable", "default", "accepted", "description"), map(_full, plain)),
        DEFAULT_MODELS,
        _table(("`config.toml`", "variable", "accepted", "description"), map(_without_default, defaults)),
        MODELS,
        _table(("`config.toml`", "accepted", "description"), map(_without_variable, models)),
        VARIABLES,
        _table(("variable", "description"), ((f"`{name}`", said) for name, said in OTHER_VARIABLES.items())),
    ]
    return "\n".join(parts)


def _full(setting: Setting) -> Sequence[str]:
    default = setting.kind.show(setting.default)
    return f"`{setting.key}`", f"`{setting.variable}`", default, setting.kind.accepted, setting.description


def _without_default(setting: Setting) -> Sequence[str]:
    return f"`{setting.key}`", f"`{setting.variable}`", "an alias", setting.description


def _without_variable(setting: Setting) -> Sequence[str]:
    return f"`{setting.key}`", setting.kind.accepted, setting.description


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
