"""The HTML document that hosts show for results: images, speech and transcripts, with a form to save them.

Hosts of MCP Apps (revision 2026-01-26) show `ui://` documents in a sandbox without a network. The document therefore
contains its styles and scripts, and receives media as data from the host.
"""

from functools import cache
from importlib.resources import files

VIEWER_URI = "ui://senses/viewer"
VIEWER_TOOL_META = {"ui": {"resourceUri": VIEWER_URI}}
"""The `_meta` of the tools whose results the viewer shows."""
INLINED_FILES = ("viewer.css", "host.js", "saving.js", "pictures.js", "sound.js", "transcript.js", "viewer.js")


@cache
def viewer_document() -> str:
    """Return the document with its styles and scripts inlined."""
    folder = files("mcp_server.viewer")
    document = (folder / "viewer.html").read_text(encoding="utf-8")
    for file_name in INLINED_FILES:
        document = document.replace(f"/* {file_name} */", (folder / file_name).read_text(encoding="utf-8"))
    return document
