"""The commands that see, draw, hear, speak and chat. What cannot be used is refused before the daemon is asked."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mcp_server.cli.options import AsJson, ModelOption, OutputFile, TextFiles, read_settings


def describe(
    files: Annotated[list[str], typer.Argument(help="Pictures or patterns such as '*.png'; - is standard input.")] = [],  # noqa: B006
    question: Annotated[str, typer.Option("--question", "-q", help="What to answer about each picture.")] = "",
    model: ModelOption = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file for the text.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what pictures show, or answer a question about them."""
    from mcp_server.cli import describe as command
    from mcp_server.cli.api import open_api
    from mcp_server.cli.inputs import expand_files
    from mcp_server.cli.outputs import check_folder

    pictures = expand_files(files)
    check_folder(output)
    with open_api(read_settings(), os.environ) as api:
        command.describe(api, pictures, question, model, output, as_json=as_json)


def generate(
    words: Annotated[list[str], typer.Argument(help="What to draw; without it, standard input.", metavar="TEXT")] = [],  # noqa: B006
    output: OutputFile = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels, each from 16 to 4096.")] = "",
    steps: Annotated[int | None, typer.Option(help="How long to work on it.", min=1, max=50)] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same picture.", min=0)] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many to draw.", min=1, max=10)] = 1,
    model: ModelOption = "",
    opens: Annotated[bool, typer.Option("--open", help="Show the pictures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a picture of a text, as PNG, JPEG or WebP."""
    from mcp_server.cli import generate as command
    from mcp_server.cli.api import open_api
    from mcp_server.cli.inputs import read_text
    from mcp_server.cli.outputs import format_of

    prompt = read_text(words, [], what="what to draw")
    drawing = command.DrawingRequest(prompt, model, size, steps, seed, count)
    image_format = format_of(output, command.ENDINGS, "png")
    files = command.output_files(drawing, output, as_json=as_json, opens=opens)
    open_file = typer.launch if opens else None
    with open_api(read_settings(), os.environ) as api:
        command.generate(api, drawing, files, image_format, as_json=as_json, open_file=open_file)


def transcribe(
    files: Annotated[
        list[str], typer.Argument(help="Recordings or videos, or patterns such as '*.m4a'; - is standard input.")
    ] = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file ending in .txt, .srt, .vtt or .json, or a folder.", metavar="FILE"),
    ] = None,
    written: Annotated[
        str, typer.Option("--format", help="txt, srt, vtt or json, whatever the ending says.", metavar="FORMAT")
    ] = "",
    language: Annotated[str, typer.Option("--language", "-l", help="The language spoken, such as de.")] = "",
    translate: Annotated[bool, typer.Option("--translate", help="Write it down in English.")] = False,
    model: ModelOption = "",
    as_json: AsJson = False,
) -> None:
    """Write recordings down, as text or as subtitles."""
    from mcp_server.cli import transcribe as command
    from mcp_server.cli.api import open_api
    from mcp_server.cli.inputs import expand_files

    recordings = expand_files(files)
    outputs = command.output_files(recordings, output, command.parse_format(written))
    recording = command.Recording(model, language, translate)
    with open_api(read_settings(), os.environ) as api:
        command.transcribe(api, recording, recordings, outputs, as_json=as_json)


def speak(
    words: Annotated[list[str], typer.Argument(help="What to speak; without it, standard input.", metavar="TEXT")] = [],  # noqa: B006
    files: TextFiles = [],  # noqa: B006
    output: OutputFile = None,
    play: Annotated[bool, typer.Option("--play", "-p", help="Play it on this machine while it is made.")] = False,
    voice: Annotated[str, typer.Option("--voice", "-v", help="A name from `senses voices`.")] = "",
    speed: Annotated[float, typer.Option(help="1 is as usual.", min=0.25, max=4)] = 1.0,
    language: Annotated[str, typer.Option("--language", "-l", help="The language of the text, such as de.")] = "",
    model: ModelOption = "",
    as_json: AsJson = False,
) -> None:
    """Speak a text into a file, or play it."""
    from mcp_server.cli import speak as command
    from mcp_server.cli.api import open_api
    from mcp_server.cli.inputs import read_text

    text = read_text(words, files, what="what to speak")
    sound_format = command.check_output(output, plays=play, as_json=as_json)
    speakers = command.find_speakers() if play else None
    speech = command.Speech(text, model, voice, speed, language)
    with open_api(read_settings(), os.environ) as api:
        command.speak(api, speech, output, sound_format, speakers, as_json=as_json)


def chat(
    words: Annotated[
        list[str],
        typer.Argument(help="What to say; without it, standard input or a conversation.", metavar="TEXT"),
    ] = [],  # noqa: B006
    files: TextFiles = [],  # noqa: B006
    system: Annotated[str, typer.Option("--system", "-s", help="How the model shall answer.")] = "",
    model: ModelOption = "",
    as_json: AsJson = False,
) -> None:
    """Chat with a text model; in a terminal without a text, until Ctrl-D."""
    import sys

    from mcp_server.cli import chat as command
    from mcp_server.cli.api import open_api
    from mcp_server.cli.inputs import read_text

    messages: list[command.ChatMessage] = [{"role": "system", "content": system}] if system else []
    converses = not words and not files and sys.stdin.isatty()
    if not converses:
        messages.append({"role": "user", "content": read_text(words, files, what="what to say")})
    with open_api(read_settings(), os.environ) as api:
        if converses:
            command.converse(api, model, messages)
        else:
            command.answer_once(api, model, messages, as_json=as_json)


MEDIA_COMMANDS = (describe, generate, transcribe, speak, chat)
