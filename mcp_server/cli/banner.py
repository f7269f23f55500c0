"""The text that `senses serve` prints: addresses, client set-up, one example command per medium, and the models."""

from collections.abc import Sequence

from mcp_server.cli.models import ModelRow, default_note, models_table
from mcp_server.cli.table import align_columns, folder_rows
from mcp_server.client_setup.snippets import InstalledCommands, client_snippets
from mcp_server.launcher.paths import VERSION
from model_runtime.settings import Settings

EXAMPLES = (
    (
        "Describe picture.png",
        """curl -s {url}/v1/chat/completions -H 'content-type: application/json' -d '{{"model":"auto","messages":[{{"role":"user","content":[{{"type":"text","text":"What is this?"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,'$(base64 < picture.png | tr -d '\\n')'"}}}}]}}]}}'""",
    ),
    (
        "Draw drawing.png",
        """curl -s {url}/v1/images/generations -H 'content-type: application/json' -d '{{"prompt":"a red circle"}}' | python3 -c 'import sys,json,base64; open("drawing.png","wb").write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))'""",
    ),
    ("Transcribe recording.wav", "curl -s {url}/v1/audio/transcriptions -F model=auto -F file=@recording.wav"),
    (
        "Speak into speech.mp3",
        """curl -s {url}/v1/audio/speech -H 'content-type: application/json' -d '{{"model":"auto","input":"a red circle","voice":"alloy"}}' -o speech.mp3""",
    ),
)
"""Pairs of a title and a shell command, in which {url} stands for the server's address."""


def banner(
    url: str, settings: Settings, commands: InstalledCommands, models: Sequence[ModelRow], *, apple_gpu: bool
) -> str:
    """Return the whole text."""
    addresses = (
        ("Status page", url),
        ("OpenAI's API", f"{url}/v1"),
        ("MCP over HTTP", f"{url}/mcp"),
        *folder_rows(settings),
    )
    key_hint = ", where SENSES_API_KEY holds your key (export SENSES_API_KEY=…)" if settings.api_key else ""
    parts = [
        f"Senses {VERSION}",
        align_columns(addresses),
        "Connect a client:\n" + align_columns(client_snippets(commands)),
        "\n".join([f"Try it in another terminal{key_hint}:", *examples(url, needs_key=bool(settings.api_key))]),
        "Models:\n" + models_table(models),
        default_note(apple_gpu=apple_gpu),
    ]
    return "\n\n".join(parts) + "\n"


def examples(url: str, *, needs_key: bool) -> list[str]:
    """Return the lines of the example commands; with a key they read it from $SENSES_API_KEY, so it is never printed."""
    curl = 'curl -s -H "authorization: Bearer $SENSES_API_KEY"' if needs_key else "curl -s"
    return [
        line
        for title, command in EXAMPLES
        for line in (f"  # {title}", "  " + command.format(url=url).replace("curl -s", curl))
    ]
