"""The format of a saved result: the one that a call names, or that of its path's ending."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import TypeVar

from model_runtime.errors import InvalidInput

FormatT = TypeVar("FormatT", bound=str)


def chosen_format(
    requested: str, output_path: str, endings: Mapping[FormatT, tuple[str, ...]], default: FormatT
) -> FormatT:
    """Return the format of a call: `requested`, or for "auto" that of the path's ending, or `default` without a path.

    `endings` has the endings of each format, with their dot.

    Raises:
        InvalidInput: no format has the ending of the path.
    """
    ending = PurePath(output_path).suffix.lower()
    for name, its_endings in endings.items():
        if requested == name or (requested == "auto" and ending in its_endings):
            return name
    if not output_path:
        return default
    *others, last = (ending for its_endings in endings.values() for ending in its_endings)
    raise InvalidInput(f"{output_path} must end in {', '.join(others)} or {last}.")
