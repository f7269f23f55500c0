"""How long a screen is measured and compared, and what memory that takes. Pillow draws it, so every machine sees the same."""

import json
import subprocess
import sys

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row
from model_runtime.measuring.results import MEASURING_BYTES_PER_PIXEL

ROUNDS = 5
SECONDS = 1.0

SCRIPT = """
import asyncio, io, json, resource, sys, tempfile, time
from pathlib import Path
from PIL import Image, ImageChops, ImageDraw, ImageFont
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.decoding.measurer import ImageMeasurer

def screen(cards):
    image = Image.new("RGB", (1280, 800), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for card in range(cards):
        left, top = 40 + 300 * (card % 4), 40 + 180 * (card // 4)
        draw.rounded_rectangle((left, top, left + 260, top + 150), 8, fill="#f0f2f5")
        for row in range(6):
            draw.text((left + 16, top + 12 + 20 * row), f"Export as CSV, {row * 37}", fill="#1f2328", font=font)
    return png(image)

def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()

def difference(first, second):
    one, other = (Image.open(io.BytesIO(data)).convert("RGB") for data in (first, second))
    return ImageChops.difference(one, other).getbbox()

def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

async def main(rounds):
    measurer = ImageMeasurer(MediaDecoder(2_000_000_000, Path(tempfile.mkdtemp())))
    before, after, seconds = screen(16), screen(15), []
    started = cpu_seconds()
    for _ in range(rounds):
        times = [time.perf_counter()]
        await measurer.measure(before, param="image")
        times.append(time.perf_counter())
        await measurer.compare(before, after, params=("a", "b"))
        times.append(time.perf_counter())
        difference(before, after)
        times.append(time.perf_counter())
        seconds.append([end - start for start, end in zip(times, times[1:])])
    cpu = (cpu_seconds() - started) / rounds
    small = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    noise = png(Image.effect_noise((3000, 2000), 200).convert("RGB"))
    await measurer.measure(noise, param="image")
    large = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps([*map(min, zip(*seconds)), cpu, (large - small) * unit / (3000 * 2000 - 1280 * 800)]))

asyncio.run(main(int(sys.argv[1])))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Measure and compare in processes as the daemon does, from one fresh process."""
    rounds = context.rounds(ROUNDS)
    command = [sys.executable, "-c", SCRIPT, str(rounds)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    measured, compared, difference, cpu, bytes_per_pixel = json.loads(answer.stdout.splitlines()[-1])
    how = f"shortest of {rounds}, with the start of the process, without reading the text; both take {cpu:.2f} CPU seconds"
    bare = f"Pillow's ImageChops.difference of the same files takes {difference:.3f} s and names nothing"
    memory = "3000×2000 pixels of noise, the worst, less a screen"
    return [
        Row("measure_image, 1280×800 with 16 cards and 96 lines", measured, "s", SECONDS, how),
        Row("compare_images, the same and one card less", compared, "s", None, f"{how}; {bare}"),
        Row("memory of a measured pixel", bytes_per_pixel, "B", MEASURING_BYTES_PER_PIXEL, memory),
    ]
