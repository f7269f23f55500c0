"""An agent's working day as calls of tools, for any client: what is asked for, and what every answer must hold.

A day begins on the Desktop, which no client may read at first, so that a person has to consent; it ends after the daemon
was killed. Nothing in it may be refused.
"""

import os
import re
import signal
import stat
import sys
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mcp_server.daemon.lock import read_daemon_info
from mcp_server.launcher.paths import InstancePaths

Structured = dict[str, Any]
Check = Callable[[Structured], bool]

SCREENSHOT_WORDS = "Sign in to continue"
MEETING_MINUTES = 70
FOUND_AT_SECONDS = 63 * 60
"""Where the words that are searched for begin in the meeting."""
PLACEHOLDER = re.compile(r"\$(\d+)/(.+)")
ANSWER = "a red circle. " * 40
"""What is read aloud: long enough that it can be stopped."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call of the day. Texts like "$2/images/0/path" in `arguments` stand for a value of an earlier result."""

    wish: str
    tool: str
    arguments: Mapping[str, Any]
    is_met: Check
    kills_daemon_before: bool = False


def day(home: Path) -> tuple[Step, ...]:
    """Return the steps of a day of someone with this home, whose project is the folder `project` in it."""
    screenshot = str(home / "Desktop" / "Screenshot.png")
    icons = home / "project" / "assets" / "icons"
    card = home / "project" / "site" / "og" / "card.png"
    return (
        Step(
            "Which words are on my screenshot?",
            "describe_image",
            {"image": screenshot, "task": "ocr"},
            lambda told: SCREENSHOT_WORDS in told["text"],
        ),
        Step(
            "How is it laid out?",
            "measure_image",
            {"image": screenshot},
            lambda told: len(told["elements"]) >= 3,
        ),
        Step(
            "Draw an icon.",
            "generate_image",
            {"prompt": "a red circle", "width": 256, "height": 256},
            lambda told: Path(told["images"][0]["path"]).is_file(),
        ),
        Step(
            "Put it into the project in every size.",
            "save_media",
            {"uri": "$2/images/0/uri", "path": "assets/icons", "set": "favicon"},
            lambda told: len(sizes_in(icons)) >= 5 and "<link" in told["snippet"],
        ),
        Step(
            "Draw the card for links to the site.",
            "generate_image",
            {"prompt": "a blue square", "width": 1200, "height": 630, "output_path": "site/og/card.png"},
            lambda told: sizes_of(card) == {(1200, 630)},
        ),
        Step(
            "Write down the meeting.",
            "transcribe",
            {"audio": "meeting.flac", "wait_seconds": 600},
            lambda told: told["duration"] == 60.0 * MEETING_MINUTES,
        ),
        Step(
            "When were the squares spoken of?",
            "read_transcript",
            {"uri": "$5/uri", "find": "blue squares"},
            lambda told: told["segments_found"] == 1 and "[1:03:" in told["text"],
        ),
        Step(
            "Read the answer aloud.",
            "speak",
            {"text": ANSWER, "play": True, "wait_seconds": 0},
            lambda told: told["status"] == "running",
        ),
        Step("Stop.", "stop_speaking", {}, lambda told: told["stopped"] >= 1),
        Step(
            "Look at the screenshot again.",
            "describe_image",
            {"image": screenshot, "task": "ocr"},
            lambda told: SCREENSHOT_WORDS in told["text"],
            kills_daemon_before=True,
        ),
    )


def sizes_in(folder: Path) -> set[tuple[int, int]]:
    """Return the sizes of all icons in a folder; an .ico has several."""
    pictures = [path for path in folder.iterdir() if path.suffix in (".png", ".ico")]
    return set().union(*map(sizes_of, pictures))


def sizes_of(path: Path) -> set[tuple[int, int]]:
    """Return the sizes in a picture file."""
    with Image.open(path) as picture:
        return set(picture.info.get("sizes", {picture.size}))


def filled(arguments: Mapping[str, Any], results: Sequence[Structured]) -> dict[str, Any]:
    """Return arguments in which each placeholder is the value it stands for."""
    return {name: _filled(value, results) for name, value in arguments.items()}


def _filled(value: Any, results: Sequence[Structured]) -> Any:
    found = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    told: Any = results[int(found[1])]
    for key in found[2].split("/"):
        told = told[int(key) if isinstance(told, list) else key]
    return told


def prepare_home(home: Path) -> None:
    """Put a screenshot on the Desktop, a meeting into the project, and a player that keeps what it hears."""
    (home / "Desktop").mkdir(parents=True)
    (home / "project").mkdir()
    _screenshot().save(home / "Desktop" / "Screenshot.png")
    player = home / "bin" / "paplay"
    player.parent.mkdir()
    player.write_text(f"#!{sys.executable}\n{PLAYER}")
    player.chmod(player.stat().st_mode | stat.S_IXUSR)


PLAYER = """\
import sys, time
while sys.stdin.buffer.read(4800):
    time.sleep(0.1)
"""
"""Takes sound as fast as a loudspeaker would."""


def _screenshot() -> Image.Image:
    picture = Image.new("RGB", (800, 500), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((80, 60), SCREENSHOT_WORDS, "black", font=ImageFont.load_default(36))
    draw.rounded_rectangle((80, 160, 480, 220), 8, outline="#888888", width=2)
    draw.rounded_rectangle((80, 260, 280, 320), 8, fill="#2563eb")
    return picture


def write_meeting(project: Path) -> None:
    """Write a long meeting: what is in often.wav every seven minutes, and once what is in once.wav."""
    (often, sample_rate), (once, _) = _read_wav(project / "often.wav"), _read_wav(project / "once.wav")
    samples = np.zeros(MEETING_MINUTES * 60 * sample_rate, np.int16)
    for minute in range(0, MEETING_MINUTES, 7):
        _put(samples, often, minute * 60 * sample_rate)
    _put(samples, once, (FOUND_AT_SECONDS + 10) * sample_rate)
    with av.open(str(project / "meeting.flac"), "w") as container:
        stream = container.add_stream("flac", rate=sample_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = sample_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()


def _put(samples: NDArray[np.int16], words: NDArray[np.int16], at: int) -> None:
    samples[at : at + len(words)] = words


def kill_daemon(environ: Mapping[str, str]) -> None:
    """Kill the daemon of the instance that these variables name."""
    info = read_daemon_info(InstancePaths(environ))
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)


if __name__ == "__main__":
    kill_daemon(os.environ)
