"""What must be drawn: prompts, and pictures read by plain pixels and by the starter's own eyes."""

from tests.meaning import pixels
from tests.meaning.face import SOURCE, Check, Face
from tests.meaning.judging import says
from tests.meaning.picture_files import written
from tests.meaning.seeing import DESCRIBE
from tests.meaning.sights import alone

SIDE = 128
"""What the starter draws; other sizes are scaled from it."""
FILLS = {"circle": (0.7, 0.88), "square": (0.9, 1.0), "triangle": (0.42, 0.62)}
"""How much of its box a shape fills: pi/4, 1, 1/2, with room for soft edges."""


def one(name: str, color: str, shape: str, background: str, seed: int) -> Check:
    """One thing in the middle of a background."""
    prompt = f"a {color} {shape} on a {background} background"

    async def run(face: Face) -> None:
        drawn = await face.draw(prompt, width=SIDE, height=SIDE, seed=seed)
        found = pixels.patch(drawn, color)
        assert pixels.background(drawn) == background, f"{prompt}: the background is {pixels.background(drawn)}"
        assert found is not None, f"{prompt}: nothing is {color}"
        assert max(abs(found.x - 0.5), abs(found.y - 0.5)) < 0.12, f"{prompt}: off the middle, {found}"
        assert FILLS[shape][0] < found.fill < FILLS[shape][1], f"{prompt}: no {shape}, {found}"
        said = await face.see(drawn, DESCRIBE)
        assert says(said, prompt), f"{prompt}: seen as {said!r}"

    return Check(name, run)


async def _above(face: Face) -> None:
    drawn = await face.draw("a red circle above a blue square", width=SIDE, height=SIDE, seed=3)
    circle, square = pixels.patch(drawn, "red"), pixels.patch(drawn, "blue")
    assert circle is not None, "nothing is red"
    assert square is not None, "nothing is blue"
    assert circle.y + 0.2 < square.y, f"{circle} is not above {square}"
    assert abs(circle.x - square.x) < 0.2, f"{circle} is not straight above {square}"


async def _left(face: Face) -> None:
    drawn = await face.draw("a green square left of a red circle", width=SIDE, height=SIDE, seed=4)
    square, circle = pixels.patch(drawn, "green"), pixels.patch(drawn, "red")
    assert square is not None, "nothing is green"
    assert circle is not None, "nothing is red"
    assert square.x + 0.2 < circle.x, f"{square} is not left of {circle}"


async def _shape_of_the_canvas(face: Face) -> None:
    drawn = await face.draw("a blue circle on a white background", width=320, height=192, seed=5)
    assert pixels.pixels(drawn).shape == (192, 320, 3)
    found = pixels.patch(drawn, "blue")
    assert found is not None, "nothing is blue"
    assert 0.8 < (found.width * 320) / (found.height * 192) < 1.25, f"the circle is stretched: {found}"


async def _from_a_picture(face: Face) -> None:
    """A strength of 0 keeps the picture whatever the prompt, one of 1 follows the prompt."""
    source = written(alone("blue", "square", "yellow").resize((SIDE, SIDE)))
    kept, left = [
        await face.draw("a red circle", width=SIDE, height=SIDE, seed=6, source=source, strength=strength)
        for strength in (0.0, 1.0)
    ]
    assert pixels.difference(kept, source) < 15, f"{pixels.difference(kept, source):.0f} away from the picture"
    assert pixels.patch(left, "red") is not None, "nothing is red"
    assert pixels.patch(left, "yellow") is None, "the picture's yellow is left"


async def _seeds(face: Face) -> None:
    first, again, other = [
        await face.draw("a yellow star on a blue background", width=SIDE, height=SIDE, seed=seed) for seed in (7, 7, 8)
    ]
    assert first == again, "the same seed drew other bytes"
    assert pixels.difference(first, other) > 0.2, "another seed drew the same picture"


DRAWN = (
    one("a drawn circle", "red", "circle", "white", 1),
    one("a drawn square", "blue", "square", "yellow", 2),
    Check("one above the other", _above),
    Check("one left of the other", _left),
    Check("a wide canvas", _shape_of_the_canvas),
    Check("from a picture", _from_a_picture, SOURCE),
    Check("seeds", _seeds),
)
