"""The one document hosts show for results: see pictures, hear speech, read transcripts, save them, vary a seed.

Hosts of MCP Apps (revision 2026-01-26) show `ui://` documents in a sandbox without a network, so styles and scripts are
put into the page, and media come as data from the host.
"""

from functools import cache
from importlib.resources import files

VIEWER_URI = "ui://senses/viewer"
VIEWER_TOOL_META = {"ui": {"resourceUri": VIEWER_URI}}
"""The metadata of tools whose results it shows."""
INLINED_FILES = ("viewer.css", "host.js", "saving.js", "pictures.js", "sound.js", "words.js", "viewer.js")


@cache
def viewer_document() -> str:
    """Return the whole document."""
    folder = files("mcp_server.viewer")
    document = (folder / "viewer.html").read_text(encoding="utf-8")
    for file_name in INLINED_FILES:
        document = document.replace(f"/* {file_name} */", (folder / file_name).read_text(encoding="utf-8"))
    return document
