"""Sentences of the starters' world and foils of them: the same but for one word that matters."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mcp_server.calls.judging import Judge, Judgement, best_first
from starter_world import grammar
from starter_world.grammar import Scene
from tests.meaning.in_process import InProcessClient

FOILS = 3
SIDE = 128
JUDGE = Judge("vlm-starter", is_starter=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """A sentence and its foils."""

    sentence: str
    foils: tuple[str, ...]


def choices(seed: int) -> Iterator[Choice]:
    """Yield sentences that no starter was trained on, endlessly."""
    rng = random.Random(seed)
    for scene in grammar.drawable(rng, held_out=True):
        foils: dict[str, None] = {}
        while len(foils) < FOILS:
            foil = _change_one_fact(rng, scene)
            if not (grammar.means(foil, scene) or grammar.means(scene, foil)):
                foils[str(foil)] = None
        yield Choice(str(scene), tuple(foils))


async def choose(client: InProcessClient, choice: Choice, seed: int) -> tuple[bool, list[Judgement]]:
    """Draw a sentence and its foils; return whether the judge picks the picture of the sentence, and what it says."""
    rng = random.Random(seed)
    sentences = rng.sample([choice.sentence, *choice.foils], FOILS + 1)
    question, _ = JUDGE.chat(choice.sentence)
    judgements = []
    for sentence in sentences:
        drawn = await client.generate_image(sentence, width=SIDE, height=SIDE, seed=seed)
        judgements.append(JUDGE.read(choice.sentence, await client.describe(drawn, question)))
    return sentences[best_first(judgements)[0]] == choice.sentence, judgements


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
