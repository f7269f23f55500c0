"""Whether the picture drawn from a prompt is chosen among others, by the starters."""

import asyncio
from itertools import islice

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row
from model_runtime.engines.blas import load_fast_blas

PROMPTS = 48
SEED = 16
RIGHT_SHARE = 0.9


def measure(context: BenchmarkContext) -> list[Row]:
    """Draw each prompt and three foils, which differ in one word that matters, and let the judge choose."""
    count = context.rounds(PROMPTS)
    how = f"{count} prompts no starter was taught, each against 3 drawings of another colour, shape, place or number"
    return [Row("drawing of the prompt chosen", asyncio.run(_right_share(count)), "", RIGHT_SHARE, how, at_least=True)]


async def _right_share(count: int) -> float:
    load_fast_blas()
    from tests.meaning.choosing import choices, is_right, painter  # imports MLX once its environment is set
    from tests.meaning.in_process import InProcessClient

    client = InProcessClient()
    draw = painter(client)
    right = [await is_right(client, choice, number, draw) for number, choice in enumerate(islice(choices(SEED), count))]
    return sum(right) / count
