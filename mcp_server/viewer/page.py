"""The one document hosts show for results: see pictures, hear speech, read transcripts, save them, vary a seed.

Hosts of MCP Apps (revision 2026-01-26) show `ui://` documents in a sandbox without a network, so styles and scripts are
put into the page, and media come as data from the host.
"""

from functools import cache
from importlib.resources import files

VIEWER = "ui://senses/viewer"
SHOWN_BY_VIEWER = {"ui": {"resourceUri": VIEWER}}
"""The metadata of tools whose results it shows."""
PARTS = ("viewer.css", "host.js", "saving.js", "pictures.js", "sound.js", "words.js", "viewer.js")


@cache
def page() -> str:
    """Return the whole document."""
    folder = files("mcp_server.viewer")
    document = (folder / "viewer.html").read_text(encoding="utf-8")
    for part in PARTS:
        document = document.replace(f"/* {part} */", (folder / part).read_text(encoding="utf-8"))
    return document
