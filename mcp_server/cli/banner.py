"""What `senses serve` prints: addresses, client set-up, one command per medium, and which models are here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcp_server.client_setup.snippets import InstalledCommands, client_snippets
from mcp_server.launcher.paths import VERSION
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

EXAMPLE_COMMANDS = (
    (
        "look",
        """curl -s {url}/v1/chat/completions -H 'content-type: application/json' -d '{{"model":"auto","messages":[{{"role":"user","content":[{{"type":"text","text":"What is this?"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,'$(base64 < picture.png | tr -d '\\n')'"}}}}]}}]}}'""",
    ),
    (
        "draw",
        """curl -s {url}/v1/images/generations -H 'content-type: application/json' -d '{{"prompt":"a red circle"}}' | python3 -c 'import sys,json,base64; open("drawing.png","wb").write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))'""",
    ),
    ("hear", "curl -s {url}/v1/audio/transcriptions -F model=auto -F file=@recording.wav"),
    (
        "speak",
        """curl -s {url}/v1/audio/speech -H 'content-type: application/json' -d '{{"model":"auto","input":"a red circle","voice":"alloy"}}' -o speech.mp3""",
    ),
)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model as the list shows it."""

    name: str
    task: str
    description: str
    present: bool
    size_bytes: int
    default: bool
    starter: bool
    broken_reason: str = ""


def banner(
    url: str, settings: Settings, commands: InstalledCommands, models: Sequence[ModelRow], *, apple_gpu: bool
) -> str:
    """Return the whole text."""
    addresses = (
        ("Status page", url),
        ("OpenAI's API", f"{url}/v1"),
        ("MCP over HTTP", f"{url}/mcp"),
        *instance_folder_rows(settings),
    )
    key_header = f' -H "authorization: Bearer {settings.api_key}"' if settings.api_key else ""
    examples = [
        (name, line.format(url=url).replace("curl -s", f"curl -s{key_header}")) for name, line in EXAMPLE_COMMANDS
    ]
    parts = [
        f"Senses {VERSION}",
        align_columns(addresses),
        "Connect a client:\n" + align_columns(client_snippets(commands)),
        "Try it:\n" + "\n".join(f"  {line}" for _, line in examples),
        "Models:\n" + models_table(models),
        starter_note(apple_gpu=apple_gpu),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def instance_folder_rows(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return where an instance keeps what people look for."""
    folders = settings.folders
    return (
        ("Results", str(folders.artifacts)),
        ("Logs", str(folders.logs)),
        ("Settings", str(folders.config / "config.toml")),
    )


def models_table(models: Sequence[ModelRow]) -> str:
    """Return one line a model: what it is for, its size, whether it is here."""
    return align_columns(
        (
            model.name + ("*" if model.default else ""),
            model.task,
            format_bytes(model.size_bytes),
            availability(model),
            model.broken_reason or model.description,
        )
        for model in models
    )


def availability(model: ModelRow) -> str:
    """Say where a model is, or how to get it."""
    if model.present:
        return "built in" if model.starter else "here"
    if model.broken_reason:
        return "broken"
    return "not in this build" if model.starter else f"senses pull {model.name}"


def starter_note(*, apple_gpu: bool) -> str:
    """Say who answers calls that name no model."""
    if apple_gpu:
        return "* answers calls that name no model. Real models answer once they are downloaded."
    return (
        "* answers calls that name no model. This machine has no Apple GPU, so the built-in starter models do: they "
        "work at once\n  and know only coloured shapes, numbers and a few dozen words."
    )


def align_columns(rows: Iterable[Sequence[str]]) -> str:
    """Align columns with two blanks in front and between; the last one may be as long as it likes."""
    cells = [list(row) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]) - 1)] if cells else []
    return "\n".join(
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in cells
    )
