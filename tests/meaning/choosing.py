"""Sentences of the starters' world and foils of them: the same but for one word that matters."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from mcp_server.calls.judging import Judge, best_first
from starter_world import grammar, scenes
from starter_world.grammar import Scene
from tests.meaning.in_process import InProcessClient
from tests.meaning.picture_files import encode_image

FOILS = 3
SIDE = 128
JUDGE = Judge("vlm-starter", is_starter=True)

Draw = Callable[[str, int], Awaitable[bytes]]
"""draw(sentence, seed) returns a picture file."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A sentence and its foils."""

    sentence: str
    foils: tuple[str, ...]


def choices(seed: int) -> Iterator[Choice]:
    """Yield sentences that no starter was trained on, endlessly."""
    rng = random.Random(seed)  # noqa: S311 - the same sentences for the same seed
    for scene in grammar.drawable(rng, held_out=True):
        foils: dict[str, None] = {}
        while len(foils) < FOILS:
            foil = _change_one_fact(rng, scene)
            if not (grammar.means(foil, scene) or grammar.means(scene, foil)):
                foils[str(foil)] = None
        yield Choice(str(scene), tuple(foils))


async def is_right(client: InProcessClient, choice: Choice, seed: int, draw: Draw) -> bool:
    """Draw a sentence and its foils in any order; return whether the judge picks the picture of the sentence."""
    order = random.Random(seed)  # noqa: S311 - the same order for the same seed
    sentences = order.sample([choice.sentence, *choice.foils], FOILS + 1)
    question, _ = JUDGE.chat(choice.sentence)
    judgements = []
    for sentence in sentences:
        answer = await client.describe(await draw(sentence, seed), question)
        judgements.append(JUDGE.read(choice.sentence, answer))
    return sentences[best_first(judgements)[0]] == choice.sentence


async def render(sentence: str, seed: int) -> bytes:
    """Draw a sentence of the world without a model."""
    scene = grammar.parse(sentence)
    assert scene is not None
    rng = random.Random(seed)  # noqa: S311 - the same picture for the same seed
    return encode_image(scenes.picture(scene, rng, SIDE))


def painter(client: InProcessClient) -> Draw:
    """Draw with the starter."""
    return lambda sentence, seed: client.generate_image(sentence, width=SIDE, height=SIDE, seed=seed)


def _change_one_fact(rng: random.Random, scene: Scene) -> Scene:
    """Return the scene with another colour, shape, relation, number or background."""
    number = rng.randrange(len(scene.things))
    thing = scene.things[number]
    match rng.choice(("color", "shape", "relation", "background" if scene.background else "color")):
        case "relation" if scene.relation:
            return replace(scene, relation=rng.choice(grammar.RELATIONS))
        case "relation" if scene.is_counted:
            return replace(scene, things=(thing,) * (5 - len(scene.things)))
        case "background":
            return replace(scene, background=_other(rng, grammar.COLORS, scene.background, thing.color))
        case "shape":
            changed = replace(thing, shape=_other(rng, grammar.SHAPES, thing.shape))
        case _:
            changed = replace(thing, color=_other(rng, grammar.COLORS, thing.color, scene.background))
    things = (changed,) * len(scene.things) if scene.is_counted else scene.things
    return replace(scene, things=(*things[:number], changed, *things[number + 1 :]))


def _other(rng: random.Random, words: tuple[str, ...], *taken: str) -> str:
    return rng.choice([word for word in words if word not in taken])
