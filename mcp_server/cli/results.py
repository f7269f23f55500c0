"""`senses results`: the stored results, newest first, and how they are deleted. The folder is the index."""

import re
import time
from pathlib import Path
from typing import Any

from mcp_server.cli.table import align_columns
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.retention import StoredResult, find_results
from model_runtime.errors import InvalidInput
from model_runtime.sizes import format_bytes

HEADER = ("Id", "Kind", "Size", "Written", "File")
FIRST_FORMATS = (".png", ".wav", ".txt")
"""The endings of originals; other files of a result are the same in another format."""


def stored_results(folder: Path) -> list[dict[str, Any]]:
    """Return every result of the folder, newest first."""
    newest_first = sorted(find_results(folder), key=lambda result: result.written_at, reverse=True)
    return [_result_json(result) for result in newest_first]


def _result_json(result: StoredResult) -> dict[str, Any]:
    path = next((path for path in result.paths if path.suffix in FIRST_FORMATS), result.paths[0])
    return {
        "id": path.stem,
        "kind": path.parent.name,
        "size_bytes": result.size_bytes,
        "written_at": result.written_at,
        "files": [str(path), *(str(other) for other in result.paths if other != path)],
    }


def results_text(results: list[dict[str, Any]]) -> str:
    """Return a table of results."""
    rows = [
        (
            result["id"],
            result["kind"],
            format_bytes(result["size_bytes"]),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(result["written_at"])),
            result["files"][0],
        )
        for result in results
    ]
    return align_columns([HEADER, *rows]) if rows else "There are no results."


def remove_results(folder: Path, result_id: str | None) -> int:
    """Delete one result in all its formats, or with None every result, and return how many.

    Raises:
        InvalidInput: there is no result of this id.
        OSError: a file cannot be deleted.
    """
    count = ArtifactStore(folder).delete(result_id)
    if result_id is not None and not count:
        shown = re.sub(r"[^\w-]", "?", result_id)
        raise InvalidInput(f"There is no result {shown}. `senses results` lists them.")
    return count
