"""The formats of clients' configuration files: how one entry is set or removed in the text of a file."""

import json
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

TABLE_HEADER = re.compile(r"\s*\[+\s*(?P<name>[^\[\]#]+?)\s*\]+\s*(#.*)?")
"""The line that begins a table (TOML 1.0, "Table")."""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format. `parse(text)` raises `ValueError`; so does `edit(text, servers_key, name, entry)`, which sets the entry
    or with None removes it; `show(servers_key, name, entry)` is what a person pastes."""

    title: str
    parse: Callable[[str], Any]
    edit: Callable[[str, str, str, Entry | None], str]
    show: Callable[[str, str, Entry], str]


def with_entry(config: Any, servers_key: str, name: str, entry: Entry | None) -> dict[str, Any]:
    """Return a configuration with the entry, or without it for None; everything else stays.

    Raises:
        ValueError: the configuration is no object, or has none under `servers_key`.
    """
    if not isinstance(config, dict) or not isinstance(config.get(servers_key, {}), dict):
        raise ValueError(f"has no object under {servers_key!r}")  # noqa: TRY004
    others = {other: value for other, value in config.get(servers_key, {}).items() if other != name}
    return config | {servers_key: others | ({} if entry is None else {name: entry})}


def edit_json(text: str, servers_key: str, name: str, entry: Entry | None) -> str:
    """Return the text of a JSON file with the entry, or without it."""
    new = with_entry(parse_json(text), servers_key, name, entry)
    return json.dumps(new, indent=2, ensure_ascii=False) + "\n"


def parse_json(text: str) -> Any:
    """Return what a JSON file holds; an empty one holds an empty object.

    Raises:
        ValueError: it is no plain JSON.
    """
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise ValueError(f"is not plain JSON ({error})") from error


def parse_toml(text: str) -> Any:
    """Return what a TOML file holds.

    Raises:
        ValueError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ValueError(f"is not TOML ({error})") from error


def edit_toml(text: str, servers_key: str, name: str, entry: Entry | None) -> str:
    """Return the text of a TOML file with the entry as its last tables, or without them; comments stay.

    Raises:
        ValueError: the file is no TOML, or has the entry in another form than a table of its own.
    """
    wanted = with_entry(parse_toml(text), servers_key, name, entry)
    kept = _without_table(text, f"{servers_key}.{name}")
    new = kept if entry is None else f"{kept.rstrip()}\n\n{show_toml(servers_key, name, entry)}".lstrip()
    with suppress(ValueError):
        if parse_toml(new) in (wanted, {key: value for key, value in wanted.items() if value != {}}):
            return new
    raise ValueError(f"has {servers_key}.{name} in a form that Senses does not edit")


def show_toml(servers_key: str, name: str, entry: Entry) -> str:
    """Return an entry as TOML tables: its texts, numbers and lists, then each object in a table of its own."""
    table = f"{servers_key}.{name}"
    tables = [(table, {key: value for key, value in entry.items() if not isinstance(value, dict)})]
    tables += [(f"{table}.{key}", value) for key, value in entry.items() if isinstance(value, dict)]
    return "\n".join(
        f"[{title}]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items())
        for title, fields in tables
    )


def show_json(servers_key: str, name: str, entry: Entry) -> str:
    """Return an entry as the member of an object."""
    return json.dumps({name: entry}, indent=2)


def _without_table(text: str, table: str) -> str:
    kept: list[str] = []
    is_ours = False
    for line in text.splitlines(keepends=True):
        header = TABLE_HEADER.fullmatch(line.rstrip("\r\n"))
        if header:
            title = header["name"].replace('"', "").replace(" ", "")
            is_ours = title == table or title.startswith(f"{table}.")
        if not is_ours:
            kept.append(line)
    return "".join(kept)


JSON = FileFormat("JSON", parse_json, edit_json, show_json)
TOML = FileFormat("TOML", parse_toml, edit_toml, show_toml)
