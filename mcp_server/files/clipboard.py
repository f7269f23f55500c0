"""What a person just saw: the picture on the clipboard, and the folder where the system keeps screenshots.

Programs of the system read both, each with a deadline. On a Mac none of them was run by us yet.
"""

import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import platformdirs

from model_runtime.errors import InvalidInput

CLIPBOARD = Path("clipboard")
"""Stands for the clipboard where a person grants folders; no folder has a relative path."""
SCREENSHOT = "screenshot"
COMMAND_SECONDS = 5.0
MAX_OUTPUT_BYTES = 100_000_001
"""A picture of 50 MB in hexadecimal digits."""
PNG_DIGITS = re.compile(rb"PNGf([0-9A-Fa-f]+)")
"""How AppleScript prints a picture: «data PNGf89504E47…»."""

RunProgram = Callable[[Sequence[str]], Awaitable[bytes]]
"""run(command) returns what a program prints; nothing if it fails, is missing or takes too long."""


async def run_command(command: Sequence[str]) -> bytes:
    """Run a program of the system for at most `COMMAND_SECONDS`; see `Run`."""
    output = bytearray()
    with anyio.move_on_after(COMMAND_SECONDS) as deadline:
        try:
            async with await anyio.open_process(command, stdin=None, stderr=None) as process:
                assert process.stdout is not None  # noqa: S101 - a pipe was asked for
                async for chunk in process.stdout:
                    output += chunk
                    if len(output) > MAX_OUTPUT_BYTES:
                        process.kill()
                status = await process.wait()
        except OSError:
            return b""
    return b"" if deadline.cancelled_caught or status else bytes(output)


def clipboard_command(environ: Mapping[str, str]) -> list[str]:
    """Return the program that prints the picture on the clipboard."""
    if sys.platform == "darwin":
        return ["/usr/bin/osascript", "-e", "the clipboard as «class PNGf»"]
    if environ.get("WAYLAND_DISPLAY"):
        return ["wl-paste", "--type", "image/png"]
    return ["xclip", "-selection", "clipboard", "-target", "image/png", "-out"]


async def read_clipboard(param: str, run: RunProgram = run_command) -> bytes:
    """Return the picture on the clipboard as PNG.

    Raises:
        InvalidInput: there is none, or no program here can read it.
    """
    command = clipboard_command(os.environ)
    output = await run(command)
    if sys.platform == "darwin":
        digits = PNG_DIGITS.search(output)
        output = bytes.fromhex(digits[1].decode()) if digits else b""
    if not output:
        raise InvalidInput(
            f"The clipboard holds no picture, or {command[0]} cannot read it here. Copy a picture and try again, or "
            "pass the path of a file.",
            param=param,
            code="not_found",
        )
    return output


async def screenshot_folder(run: RunProgram = run_command) -> Path:
    """Return the folder where the system keeps screenshots, whether or not it exists."""
    location = b""
    if sys.platform == "darwin":
        location = await run(["/usr/bin/defaults", "read", "com.apple.screencapture", "location"])
    return await anyio.to_thread.run_sync(_usual_folder, location.decode("utf-8", "replace").strip())


def _usual_folder(location: str) -> Path:
    """Return the folder at `location`, a setting of macOS, or where the system keeps screenshots without it."""
    if sys.platform == "darwin":
        return Path(location or "~/Desktop").expanduser()
    pictures = platformdirs.user_pictures_path()
    return pictures / "Screenshots" if (pictures / "Screenshots").is_dir() else pictures
