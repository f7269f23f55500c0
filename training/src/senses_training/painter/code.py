"""What the text encoder tells the painter: a scene as a few tokens of named numbers.

The chat template ends every prompt with the same tokens, `SLOTS`. The text encoder learns to write at "page" what lies
behind, at "first" to "third" what stands where, how large and before what, uppermost or leftmost first; and to write
"nothing" everywhere else. (Not zeros: the painter normalises tokens, which would make something of any rest.) Tokens named "corner" always say only their own name: the painter's picture tokens tell by them
where in the picture they are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from senses_training.painter.shapes import CORNERS, HIDDEN, SLOTS, THINGS
from starter_world import scenes
from starter_world.grammar import COLORS, SHAPES, Scene

EXTENTS = tuple(sorted({extent for sizes in scenes.EXTENTS.values() for extent in sizes.values()}))
FIELDS: dict[str, tuple[object, ...]] = {
    "page": COLORS,
    "color": COLORS,
    "shape": SHAPES,
    "place": tuple(scenes.PLACES),
    "extent": EXTENTS,
    "corner": CORNERS,
    "nothing": (True,),
}
"""Field → what it can hold; each value is one number of the code, 1 where it holds and 0 where not."""
WIDTH = sum(map(len, FIELDS.values()))
assert WIDTH <= HIDDEN


def span(field: str) -> slice:
    """Return where a field lies in the code."""
    names = list(FIELDS)
    start = sum(len(FIELDS[name]) for name in names[: names.index(field)])
    return slice(start, start + len(FIELDS[field]))


def write(scene: Scene) -> Tensor:
    """Return the code of a scene, len(SLOTS) x WIDTH."""
    page = scenes.page(scene)
    rows: list[dict[str, object]] = [{"page": page}]
    for spot in scenes.arrange(scene):
        thing = spot.thing
        said = {"color": thing.color, "shape": thing.shape, "place": spot.place, "extent": spot.extent}
        rows.append(said | {"page": page})
    rows += [{"nothing": True}] * (1 + len(THINGS) - len(rows))
    rows += [{"corner": corner} for corner in CORNERS]
    code = torch.zeros(len(SLOTS), WIDTH)
    for row, said in enumerate(rows):
        for field, value in said.items():
            code[row, span(field).start + FIELDS[field].index(value)] = 1
    return code


def nothing() -> Tensor:
    """Return the code of a token that says nothing, WIDTH."""
    code = torch.zeros(WIDTH)
    code[span("nothing")] = 1
    return code


def write_all(several: Sequence[Scene]) -> Tensor:
    """Return the codes of scenes, batch x len(SLOTS) x WIDTH."""
    return torch.stack([write(scene) for scene in several])


def agrees(read: Tensor, wanted: Tensor) -> Tensor:
    """Tell for each code of a batch whether its strongest values are the wanted ones, in every field of every slot."""
    right = torch.ones(len(read), dtype=torch.bool)
    for field in FIELDS:
        here, there = read[..., span(field)], wanted[..., span(field)]
        said = there.sum(-1) > 0
        same = (here.argmax(-1) == there.argmax(-1)) & (here.amax(-1) > 0.5)
        right &= torch.where(said, same, here.amax(-1) < 0.5).all(-1)
    return right
