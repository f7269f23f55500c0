"""How long the reader takes for a screen full of text. Pillow draws it, so every machine reads the same."""

import json
import subprocess
import sys

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row

ROUNDS = 5
SECONDS = 1.5

SCRIPT = """
import json, sys, time
from PIL import Image, ImageDraw, ImageFont
from model_runtime.media.images import from_pillow
from tests.screenshots.reading import open_engine, read
started = time.perf_counter()
engine = open_engine()
load_seconds = time.perf_counter() - started
screen = Image.new("RGB", (1280, 800), "white")
for row in range(40):
    text = f"{row + 1:2}  The quick brown fox jumps over the lazy dog, {row * 37} times."
    ImageDraw.Draw(screen).text((40, 10 + 19 * row), text, fill="black", font=ImageFont.load_default(14))
rounds = []
for _ in range(int(sys.argv[1])):
    wall, cpu = time.perf_counter(), time.process_time()
    result = read(engine, from_pillow(screen))
    rounds.append((time.perf_counter() - wall, time.process_time() - cpu, len(result.lines)))
print(json.dumps([load_seconds, *min(rounds)]))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Load the reader and read the screen in one fresh process."""
    rounds = context.rounds(ROUNDS)
    answer = subprocess.run([sys.executable, "-c", SCRIPT, str(rounds)], capture_output=True, text=True, check=True)
    load_seconds, wall_seconds, cpu_seconds, lines = json.loads(answer.stdout.splitlines()[-1])
    return [
        Row("ocr-fast load", load_seconds, "s", None, "networks and libraries imported → model loaded"),
        Row("ocr-fast, 1280×800", wall_seconds, "s", SECONDS, f"{lines} lines, shortest of {rounds}"),
        Row(
            "ocr-fast, 1280×800, all processors",
            cpu_seconds,
            "CPU s",
            None,
            "the same, on a busy machine the truer one",
        ),
    ]
