"""Tables of text, as several commands print them."""

from collections.abc import Iterable, Sequence

from model_runtime.settings import Settings


def align_columns(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as lines, with two blanks before and between columns; the last column is not padded."""
    cells = [list(row) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]) - 1)] if cells else []
    return "\n".join(
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in cells
    )


def folder_rows(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the names and paths of an instance's folders and settings file."""
    folders = settings.folders
    return (
        ("Results", str(folders.artifacts)),
        ("Logs", str(folders.logs)),
        ("Settings", str(folders.config / "config.toml")),
    )
