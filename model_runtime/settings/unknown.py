"""Refusals of keys and variables that do not exist, with the nearest one that does."""

from collections.abc import Iterable, Mapping

from model_runtime.settings.config_file import KeyPath, dotted
from model_runtime.settings.errors import SettingsError
from model_runtime.settings.table import NAME, OTHER_VARIABLES, PREFIX, SETTINGS


def check_variables(environ: Mapping[str, str]) -> None:
    """Refuse a variable that only looks like one of Senses.

    Raises:
        SettingsError: it names the variable and the nearest known one.
    """
    known = {setting.variable for setting in SETTINGS.values() if setting.variable} | OTHER_VARIABLES.keys()
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise SettingsError(f"{name} is unknown. {_advice(name, known, PREFIX)}")


def general(path: KeyPath) -> KeyPath:
    """Return a path as the table has it: the name of an alias is `NAME` there."""
    return ("models", NAME, *path[2:]) if path[:1] == ("models",) and len(path) > 1 else path


def is_section(path: KeyPath) -> bool:
    """Whether keys are written below `path`."""
    return any(key.startswith(dotted(general(path)) + ".") for key in SETTINGS)


def no_section(path: KeyPath, place: str, value: object) -> SettingsError:
    """Return the refusal of a value where a section belongs."""
    start = dotted(path) + "."
    inside = ", ".join(key for key in _keys_near(path) if key.startswith(start))
    return SettingsError(f"{place} is {value!r}. It must be a section with {inside}.")


def unknown_key(path: KeyPath, place: str) -> SettingsError:
    """Return the refusal of a key that is not in the table."""
    shared = dotted(path[:2]) + "." if general(path) != path and len(path) > 2 else ""
    return SettingsError(f"{place} is unknown. {_advice(dotted(path), _keys_near(path), shared)}")


def _keys_near(path: KeyPath) -> list[str]:
    """Return every key; below an alias, those of models with its name."""
    if general(path) == path:
        return list(SETTINGS)
    alias = dotted(path[1:2])
    return [key.replace(NAME, alias) for key in SETTINGS]


def _advice(name: str, known: Iterable[str], shared: str) -> str:
    """Suggest the known name that ends alike or is nearest; `shared` begins all that come into question."""
    from difflib import get_close_matches  # only a refusal needs it

    candidates = sorted(candidate for candidate in known if candidate.startswith(shared))
    last = name.rpartition(".")[2]
    same_end = [candidate for candidate in candidates if candidate.rpartition(".")[2] == last]
    ends = [candidate.removeprefix(shared) for candidate in candidates]
    nearest = same_end or [shared + end for end in get_close_matches(name.removeprefix(shared), ends, n=1)]
    return f"Did you mean {nearest[0]}?" if nearest else f"Known are {', '.join(candidates)}."
