"""Kinds of settings: what is accepted, how a value of config.toml or a variable is parsed, how a default is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from model_runtime.formats.durations import ACCEPTED_KEEP_ALIVE, parse_keep_alive

T = TypeVar("T")
WordT = TypeVar("WordT", bound=str)

GIGABYTE = 1e9
"""Bytes; decimal, as disks and memory budgets are sold."""
MEGABYTE = 1e6
"""Bytes."""
_SWITCH_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value. `parse` raises LookupError, TypeError or ValueError for a value that is not `accepted`.

    Error messages never quote a secret.
    """

    accepted: str
    parse: Callable[[Any], T]
    show: Callable[[T], str] = lambda value: str(value) or "none"
    write: Callable[[T], Any] = lambda value: value
    """Returns what config.toml would hold for a value."""
    is_secret: bool = False


def number(low: float, high: float) -> Kind[float]:
    """Return the kind of a number from `low` to `high`."""
    return Kind(f"a number from {low:.0f} to {high:.0f}", lambda value: _parse_number(value, low, high), "{:g}".format)


def whole_number(low: int, high: int) -> Kind[int]:
    """Return the kind of a whole number from `low` to `high`."""

    def parse(value: Any) -> int:
        parsed = _parse_number(value, low, high)
        if not parsed.is_integer():
            raise ValueError
        return int(parsed)

    return Kind(f"a whole number from {low} to {high}", parse)


def gigabytes(high: float) -> Kind[int]:
    """Return the kind of a size that config.toml gives in gigabytes and `Settings` holds in bytes."""
    return _size("gigabytes", GIGABYTE, 0, high)


def megabytes(low: float, high: float) -> Kind[int]:
    """Return the kind of a size that config.toml gives in megabytes and `Settings` holds in bytes."""
    return _size("megabytes", MEGABYTE, low, high)


def choice(*words: WordT) -> Kind[WordT]:
    """Return the kind of one of these words."""
    return Kind(f"one of {', '.join(words)}", lambda value: words[words.index(value)])


def _size(unit: str, unit_bytes: float, low: float, high: float) -> Kind[int]:
    return Kind(
        f"a number of {unit} from {low:.0f} to {high:.0f}",
        lambda value: int(_parse_number(value, low, high) * unit_bytes),
        lambda size_bytes: f"{size_bytes / unit_bytes:g}",
        lambda size_bytes: int(units) if (units := size_bytes / unit_bytes).is_integer() else units,
    )


def _parse_number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    parsed = float(value) if isinstance(value, str) else value
    if not low <= parsed <= high:  # also rejects NaN
        raise ValueError
    return float(parsed)


def _parse_text(value: object) -> str:
    """Accept a bare whole number as a text, because TOML does not need quotes around it."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError
    return str(value)


def _parse_list(value: Any, separator: str) -> list[str]:
    items = value.split(separator) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise TypeError
    return [item for item in items if item.strip()]


TEXT = Kind("a text", _parse_text)
FILE = Kind("a path of a file", lambda value: str(Path(_parse_text(value)).expanduser().absolute()) if value else "")
SECRET = Kind("a text", _parse_text, is_secret=True)
ALIAS = Kind("an alias", _parse_text)
SWITCH = Kind("true or false", lambda value: _SWITCH_WORDS[str(value).lower()], lambda value: str(value).lower())
KEEP_ALIVE = Kind(ACCEPTED_KEEP_ALIVE, parse_keep_alive)
NAMES: Kind[tuple[str, ...]] = Kind(
    "a list of texts, or one text separated by commas",
    lambda value: tuple(name.strip() for name in _parse_list(value, ",")),
    lambda names: ", ".join(names) or "none",
    list,
)
FOLDERS: Kind[tuple[Path, ...]] = Kind(
    "a list of folders, or one text separated by colons",
    lambda value: tuple(Path(name).expanduser().absolute() for name in _parse_list(value, ":")),
    lambda folders: ":".join(map(str, folders)) or "none",
    lambda folders: [str(folder) for folder in folders],
)
