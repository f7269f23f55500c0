"""The starters choose among candidates: the picture of the prompt, not one of another sentence. `make bench` asks more."""

from itertools import islice

import pytest

from tests.meaning.choosing import choices, is_right, painter, render
from tests.meaning.in_process import InProcessClient

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def client() -> InProcessClient:
    """The starters in this process."""
    return InProcessClient()


@pytest.mark.promise("mcp:judging")
async def test_the_picture_drawn_from_the_prompt_is_chosen_among_three_foils(client: InProcessClient) -> None:
    choice = next(choices(seed=16))

    assert await is_right(client, choice, 0, painter(client)), choice


async def test_of_twenty_prompts_nine_in_ten_are_recognised_in_a_picture(client: InProcessClient) -> None:
    asked = list(islice(choices(seed=5), 20))

    right = [await is_right(client, choice, number, render) for number, choice in enumerate(asked)]

    assert sum(right) >= 0.9 * len(asked), [choice for choice, hit in zip(asked, right, strict=True) if not hit]
