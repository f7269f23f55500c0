"""What other libraries make of the same weights, kept as data: `reference.json` files, and the scripts that wrote them.

The scripts run in an environment of their own, outside the project:

    uv venv DIR --python 3.11
    uv pip install --python DIR/bin/python faster-whisper==1.2.1 onnxruntime==1.32.0 torch==2.13.0 \\
        transformers==5.23.0 onnx platformdirs
    DIR/bin/python -m tests.real_models.references.whisper   # or kokoro, smollm2
"""

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def read_reference(name: str) -> dict[str, Any]:
    """Return what `NAME.json` holds."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


def write_reference(name: str, libraries: Sequence[str], content: Mapping[str, Any]) -> None:
    """Write `NAME.json` with the versions of the libraries and the command; one line for each entry."""
    made_by = {
        "command": f"python -m tests.real_models.references.{Path(sys.argv[0]).stem}",
        "versions": {library: version(library) for library in libraries},
    }
    fields = [f'"made_by": {json.dumps(made_by)}', *(f'"{key}": {_lines(value)}' for key, value in content.items())]
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")


def _lines(entries: Mapping[str, Any]) -> str:
    lines = (
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in entries.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"
