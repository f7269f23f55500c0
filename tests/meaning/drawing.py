"""Checks of generated images, by their pixels and by the starter's vision model."""

from tests.meaning import pixels
from tests.meaning.face import SOURCE_IMAGE, MeaningCheck, SensesClient
from tests.meaning.judging import caption_matches
from tests.meaning.picture_files import encode_image
from tests.meaning.seeing import DESCRIBE
from tests.meaning.sights import single_shape

SIDE = 128
"""The starter's size in pixels; other sizes are scaled from it."""
FILL_SHARES = {"circle": (0.7, 0.88), "square": (0.9, 1.0), "triangle": (0.42, 0.62)}
"""Share of its bounding box that a shape fills: pi/4, 1, 1/2, with tolerance for soft edges."""


def centered_shape_check(name: str, color: str, shape: str, background: str, seed: int) -> MeaningCheck:
    """Return the check that one shape is drawn in the middle of a background."""
    prompt = f"a {color} {shape} on a {background} background"

    async def run(client: SensesClient) -> None:
        drawn = await client.generate_image(prompt, width=SIDE, height=SIDE, seed=seed)
        found = pixels.find_color(drawn, color)
        assert pixels.edge_color(drawn) == background, f"{prompt}: the background is {pixels.edge_color(drawn)}"
        assert found is not None, f"{prompt}: nothing is {color}"
        assert max(abs(found.x - 0.5), abs(found.y - 0.5)) < 0.12, f"{prompt}: off the middle, {found}"
        assert FILL_SHARES[shape][0] < found.fill < FILL_SHARES[shape][1], f"{prompt}: no {shape}, {found}"
        caption = await client.describe(drawn, DESCRIBE)
        assert caption_matches(caption, prompt), f"{prompt}: seen as {caption!r}"

    return MeaningCheck(name, run)


async def _check_above(client: SensesClient) -> None:
    drawn = await client.generate_image("a red circle above a blue square", width=SIDE, height=SIDE, seed=3)
    circle, square = pixels.find_color(drawn, "red"), pixels.find_color(drawn, "blue")
    assert circle is not None, "nothing is red"
    assert square is not None, "nothing is blue"
    assert circle.y + 0.2 < square.y, f"{circle} is not above {square}"
    assert abs(circle.x - square.x) < 0.2, f"{circle} is not straight above {square}"


async def _check_left_of(client: SensesClient) -> None:
    drawn = await client.generate_image("a green square left of a red circle", width=SIDE, height=SIDE, seed=4)
    square, circle = pixels.find_color(drawn, "green"), pixels.find_color(drawn, "red")
    assert square is not None, "nothing is green"
    assert circle is not None, "nothing is red"
    assert square.x + 0.2 < circle.x, f"{square} is not left of {circle}"


async def _check_aspect_ratio(client: SensesClient) -> None:
    drawn = await client.generate_image("a blue circle on a white background", width=320, height=192, seed=5)
    assert pixels.to_array(drawn).shape == (192, 320, 3)
    found = pixels.find_color(drawn, "blue")
    assert found is not None, "nothing is blue"
    assert 0.8 < (found.width * 320) / (found.height * 192) < 1.25, f"the circle is stretched: {found}"


async def _check_source_image(client: SensesClient) -> None:
    """A strength of 0 keeps the picture whatever the prompt, one of 1 follows the prompt."""
    source = encode_image(single_shape("blue", "square", "yellow").resize((SIDE, SIDE)))
    unchanged, redrawn = [
        await client.generate_image("a red circle", width=SIDE, height=SIDE, seed=6, source=source, strength=strength)
        for strength in (0.0, 1.0)
    ]
    assert pixels.mean_difference(unchanged, source) < 15, (
        f"{pixels.mean_difference(unchanged, source):.0f} away from the picture"
    )
    assert pixels.find_color(redrawn, "red") is not None, "nothing is red"
    assert pixels.find_color(redrawn, "yellow") is None, "the picture's yellow is left"


async def _check_seeds(client: SensesClient) -> None:
    first, again, other = [
        await client.generate_image("a yellow star on a blue background", width=SIDE, height=SIDE, seed=seed)
        for seed in (7, 7, 8)
    ]
    assert first == again, "the same seed drew other bytes"
    assert pixels.mean_difference(first, other) > 0.2, "another seed drew the same picture"


IMAGE_CHECKS = (
    centered_shape_check("a drawn circle", "red", "circle", "white", 1),
    centered_shape_check("a drawn square", "blue", "square", "yellow", 2),
    MeaningCheck("one above the other", _check_above),
    MeaningCheck("one left of the other", _check_left_of),
    MeaningCheck("a wide canvas", _check_aspect_ratio),
    MeaningCheck("from a picture", _check_source_image, SOURCE_IMAGE),
    MeaningCheck("seeds", _check_seeds),
)
