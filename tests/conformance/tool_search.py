"""Which tools Claude Code finds when its model searches for them with people's words.

`make tool-search` writes the table into docs/clients.md.
"""

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_server.client_setup.config_files import shim_command
from tests.conformance.claude_code import ClaudeCode, claude_code_command
from tests.conformance.messages_api import content_blocks
from tests.conformance.processes import running_daemon

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "clients.md"
TABLE = re.compile(r"(?<=<!-- tool search: begin -->\n).*(?=<!-- tool search: end -->)", re.DOTALL)
PREFIX = "mcp__senses__"
FIRST = 3
"""A tool is found if it is among as many."""
MAX_RESULTS = 5
"""What Claude Code's model gets when it does not say how many."""

QUERIES: Mapping[str, Sequence[str]] = {
    "describe_image": (
        "OCR",
        "screenshot",
        "UI",
        "extract text from image",
        "read image",
        "describe picture",
        "analyze photo",
        "alt text",
        "vision",
        "look at a design mockup",
        "what is in this image",
        "find object bounding box",
    ),
    "generate_image": (
        "icon",
        "logo",
        "favicon",
        "illustration",
        "create image",
        "draw a picture",
        "text to image",
        "hero banner",
        "og image card",
        "placeholder avatar",
        "app icon assets",
    ),
    "transcribe": (
        "transcription",
        "speech to text",
        "meeting",
        "subtitles",
        "voice memo",
        "transcribe audio recording",
        "podcast transcript",
        "dictation",
        "video captions srt",
    ),
    "speak": (
        "text to speech",
        "read aloud",
        "read text aloud",
        "TTS",
        "say something out loud",
        "voiceover",
        "narrate this text",
        "audio announcement mp3",
    ),
    "save_media": ("save image to project", "convert png to webp", "resize image", "compress image"),
    "media_status": ("list voices", "which local models are installed", "gpu memory"),
    "get_job": ("wait for job result",),
    "cancel_job": ("abort job",),
    "download_model": ("download model weights",),
    "manage_model": ("unload model free memory",),
    "measure_image": ("color palette hex", "measure layout spacing"),
    "compare_images": ("visual regression diff", "compare screenshots"),
    "read_transcript": ("search in transcript",),
    "stop_speaking": ("stop talking", "mute audio"),
    "regenerate": ("variation", "draw it again with another seed"),
}
"""Tool → what people search for it with."""
HIDDEN = {
    "read aloud": "tools with `read` in their names, two of them Claude Code's own, come first",
    "resize image": "tools with `image` in their names come first",
    "compress image": "tools with `image` in their names come first",
}
"""Query → why its tool may be the fourth or fifth."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A query for a tool, and the names of what Claude Code found, best first."""

    tool: str
    query: str
    found: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether the tool is among the first."""
        return self.tool in self.found[:FIRST]


def search(claude: ClaudeCode) -> list[SearchResult]:
    """Search for each tool that is offered with each of its queries, in one session."""
    environ = f"SENSES_HOME={claude.instance.home}"
    claude.run("mcp", "add", "--env", environ, "--scope", "user", "senses", "--", shim_command())
    asked = [(tool, query) for tool, queries in QUERIES.items() for query in queries]
    script = [("ToolSearch", {"query": query, "max_results": MAX_RESULTS}) for _, query in asked]
    conversation = claude.converse(script, tool_search="true")
    offered = set(re.findall(rf"(?<=\n){PREFIX}(\w+)", json.dumps(conversation).replace("\\n", "\n")))
    results = [block for block in content_blocks(conversation) if block["type"] == "tool_result"]
    return [
        SearchResult(tool, query, found_in(result["content"]))
        for (tool, query), result in zip(asked, results, strict=True)
        if tool in offered
    ]


def found_in(content: object) -> tuple[str, ...]:
    """Return the names in a result of ToolSearch; it is a sentence where nothing was found."""
    references = content if isinstance(content, list) else []
    return tuple(
        str(block["tool_name"]).removeprefix(PREFIX) for block in references if block["type"] == "tool_reference"
    )


def table(results: Sequence[SearchResult]) -> str:
    """Return the results as a table in Markdown."""
    rows = [f"| {one.query} | `{one.tool}` | {', '.join(one.found)} |\n" for one in results]
    good = sum(one.is_good for one in results)
    head = f"{good} of {len(results)} queries have the tool among the first {FIRST}.\n"
    head += "".join(f"`{one.query}` has not: {HIDDEN.get(one.query)}.\n" for one in results if not one.is_good) + "\n"
    return head + "| query | tool | what Claude Code found, best first |\n|---|---|---|\n" + "".join(rows)


def documented() -> str:
    """Return the table in docs/clients.md."""
    match = TABLE.search(PAGE.read_text(encoding="utf-8"))
    return match[0] if match else ""


def main() -> None:
    """Write the table into docs/clients.md."""
    command = claude_code_command()
    if command is None:
        sys.exit("Claude Code is searched without a network, with unshare of Linux. Install it: make clients")
    with tempfile.TemporaryDirectory(prefix="cc") as home:
        claude = ClaudeCode(command, Path(home))
        with running_daemon(claude.instance):
            made = table(search(claude))
    PAGE.write_text(TABLE.sub(lambda _: made, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(made)


if __name__ == "__main__":
    main()
