"""Sentences go round through all four starters in half precision, as with Metal, and keep their meaning.

`make half-precision N=20` sends more of them, with `mx.compile` as on a Mac.
"""

import logging
import os
import random
from contextlib import nullcontext
from itertools import islice

import pytest

from starter_world import grammar
from tests.meaning.face import MeaningCheck
from tests.meaning.in_process import InProcessClient
from tests.meaning.loop import round_trip_check
from tests.model_runtime.engines.metal import compiled, report_metal

SENTENCES = int(os.environ.get("HALF_PRECISION_SENTENCES", "2"))
LEAST_SHARE = 0.85

logger = logging.getLogger(__name__)

pytestmark = [pytest.mark.engines, pytest.mark.timeout(120 + 120 * SENTENCES)]


@pytest.mark.promise("engines:half-precision-with-gpu")
async def test_sentences_come_back_with_their_meaning() -> None:
    scenes = islice(grammar.drawable(random.Random(2026), held_out=True), SENTENCES)  # noqa: S311 - repeatable
    checks = [round_trip_check(str(scene), seed) for seed, scene in enumerate(scenes)]
    client = InProcessClient()

    with report_metal(available=True), compiled() if SENTENCES > 2 else nullcontext():
        failures = [failure for check in checks if (failure := await failure_of(check, client))]

    came_back = SENTENCES - len(failures)
    logger.info("%d of %d sentences came back with their meaning", came_back, SENTENCES)
    assert came_back >= LEAST_SHARE * SENTENCES, "\n".join(failures)


async def failure_of(check: MeaningCheck, client: InProcessClient) -> str:
    """Run a check and return why it fails; "" if it passes."""
    try:
        await check.run(client)
    except AssertionError as error:
        logger.info("%s", error)
        return str(error)
    return ""
