"""How long the reader takes for a screen full of text. Pillow draws it, so every machine reads the same."""

import json
import subprocess
import sys

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row

ROUNDS = 5
SECONDS = 1.5

SCREENS = {
    "24 labels": "Export as CSV, {row}",
    "40 full lines": "The quick brown fox jumps over the lazy dog, {row} times.",
}
"""What stands on a screen → the text of each row. The time grows with the length of all lines together."""

SCRIPT = """
import json, sys, time
from PIL import Image, ImageDraw, ImageFont
from model_runtime.media.images import from_pillow
from tests.screenshots.reading import open_engine, read
rounds, rows, text = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
started = time.perf_counter()
engine = open_engine()
load_seconds = time.perf_counter() - started
screen = Image.new("RGB", (1280, 800), "white")
for row in range(rows):
    words = text.format(row=row * 37)
    ImageDraw.Draw(screen).text((40, 10 + 19 * row), words, fill="black", font=ImageFont.load_default(14))
times = []
for _ in range(rounds):
    wall, cpu = time.perf_counter(), time.process_time()
    result = read(engine, from_pillow(screen))
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
print(json.dumps([load_seconds, *map(min, zip(*times))]))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Load the reader and read each screen in one fresh process."""
    rounds = context.rounds(ROUNDS)
    measured = {name: _seconds(rounds, name.split()[0], text) for name, text in SCREENS.items()}
    load_seconds = min(load for load, _, _ in measured.values())
    rows = [Row("ocr-fast load", load_seconds, "s", None, "libraries imported → model loaded")]
    for name, (_, wall_seconds, cpu_seconds) in measured.items():
        how = f"shortest of {rounds}; {cpu_seconds:.2f} CPU seconds, which tell more on a busy machine"
        rows.append(Row(f"ocr-fast, 1280×800 with {name}", wall_seconds, "s", SECONDS, how))
    return rows


def _seconds(rounds: int, rows: str, text: str) -> tuple[float, float, float]:
    """Return the seconds of the load, and of the shortest reading on the clock and on all processors."""
    command = [sys.executable, "-c", SCRIPT, str(rounds), rows, text]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    load, wall, cpu = json.loads(answer.stdout.splitlines()[-1])
    return load, wall, cpu
