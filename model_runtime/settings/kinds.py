"""Kinds of settings: how a value of config.toml or of a variable is read, what is accepted, how a default is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from model_runtime.formats.durations import parse_keep_alive

T = TypeVar("T")
Word = TypeVar("Word", bound=str)
GIGABYTE = 1e9


def _plain(value: object) -> str:
    return str(value) if value != "" else "none"


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value. `parse` raises `TypeError` or `ValueError` for what is not `accepted`; a secret is never quoted."""

    accepted: str
    parse: Callable[[Any], T]
    show: Callable[[T], str] = _plain
    is_secret: bool = False


def number(low: float, high: float) -> Kind[float]:
    """Return the kind of a number in this range."""
    return Kind(f"a number from {low:.0f} to {high:.0f}", lambda value: _number(value, low, high), "{:g}".format)


def whole_number(low: int, high: int) -> Kind[int]:
    """Return the kind of a whole number in this range."""

    def parse(value: Any) -> int:
        found = _number(value, low, high)
        if found != int(found):
            raise ValueError
        return int(found)

    return Kind(f"a whole number from {low} to {high}", parse)


def gigabytes(high: float) -> Kind[int]:
    """Return the kind of a size that people give in gigabytes and `Settings` holds in bytes."""
    return Kind(
        f"a number of gigabytes from 0 to {high:.0f}",
        lambda value: int(_number(value, 0, high) * GIGABYTE),
        lambda size_bytes: f"{size_bytes / GIGABYTE:g}",
    )


def text(*, is_secret: bool = False) -> Kind[str]:
    """Return the kind of any text; a bare whole number is taken for one."""

    def parse(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TypeError
        return str(value)

    return Kind("a text", parse, is_secret=is_secret)


def choice(*accepted: Word) -> Kind[Word]:
    """Return the kind of one of these words."""

    def parse(value: Any) -> Word:
        found = next((word for word in accepted if word == value), None)
        if found is None:
            raise ValueError
        return found

    return Kind(f"one of {', '.join(accepted)}", parse)


def switch() -> Kind[bool]:
    """Return the kind of what is on or off."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

    def parse(value: Any) -> bool:
        if str(value).lower() not in words:
            raise ValueError
        return words[str(value).lower()]

    return Kind("true or false", parse, lambda value: str(value).lower())


def name_list() -> Kind[tuple[str, ...]]:
    """Return the kind of a list of names, in a variable separated by commas."""
    return Kind(
        "a list of texts, or one text separated by commas",
        lambda value: tuple(name.strip() for name in _texts(value, ",") if name.strip()),
        lambda value: ", ".join(value) or "none",
    )


def folder_list() -> Kind[tuple[Path, ...]]:
    """Return the kind of a list of folders, in a variable separated by colons."""
    return Kind(
        "a list of folders, or one text separated by colons",
        lambda value: tuple(Path(name).expanduser().absolute() for name in _texts(value, ":") if name),
        lambda value: ":".join(map(str, value)) or "none",
    )


def keep_alive() -> Kind[float]:
    """Return the kind of how long a model stays after a request."""
    accepted = 'seconds (300), a duration ("10m"), 0 to unload when idle or -1 for no timer'
    return Kind(accepted, parse_keep_alive)


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    found = float(value) if isinstance(value, str) else value
    if not low <= found <= high:  # NaN, too
        raise ValueError
    return float(found)


def _texts(value: Any, separator: str) -> list[str]:
    found = value.split(separator) if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise TypeError
    return found
