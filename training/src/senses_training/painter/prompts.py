"""Ways to ask for a scene: the world's own sentence first of all, then what people would say around it."""

import random
from collections.abc import Sequence

from starter_world import grammar
from starter_world.grammar import Scene, Thing

SIZE_WORDS = {"small": ("small", "small", "small", "little", "tiny"), "large": ("large", "large", "large", "big")}
RELATION_WORDS = {
    "above": ("above", "above", "above", "over", "on top of"),
    "below": ("below", "below", "below", "under", "beneath"),
    "left of": ("left of", "left of", "to the left of"),
    "right of": ("right of", "right of", "to the right of"),
}
OPENINGS = (
    "draw", "draw", "draw", "show me", "show me", "describe", "read", "paint", "please draw", "can you draw",
    "an image of", "an image of", "a picture of", "a drawing of", "an icon of", "a simple flat icon of", "i want",
)  # fmt: skip
ENDINGS = (".", ".", ".", " please", ", please", "!", "?")
BEHIND = ("on {} background", "on {} background", "on {} background", "with {} background", "against {} background")
SPELLINGS = {"gray": ("gray", "gray", "grey")}


def prompt(rng: random.Random, scene: Scene) -> str:
    """Ask for the scene, in lower case: every other time by its sentence alone, with or without a full stop."""
    if rng.random() < 0.5:
        text = str(scene) if rng.random() < 0.5 else str(scene).replace("a orange", "an orange")
        return rng.choice(("", "", "draw ", "show me ")) + text + rng.choice(("", "."))
    opening = f"{rng.choice(OPENINGS)} " if rng.random() < 0.6 else ""
    return opening + _say(rng, scene) + (rng.choice(ENDINGS) if rng.random() < 0.5 else "")


def words() -> set[str]:
    """Every word that the prompts may hold."""
    phrases: tuple[Sequence[str], ...] = (
        *SIZE_WORDS.values(), *RELATION_WORDS.values(), *SPELLINGS.values(), OPENINGS, ENDINGS, BEHIND,
        grammar.COLORS, grammar.SHAPES, [f"{shape}s" for shape in grammar.SHAPES], tuple(grammar.COUNTS.values()), ("a", "an"),
    )  # fmt: skip
    text = " ".join(phrase for group in phrases for phrase in group)
    return {word for word in text.replace("{}", "").split() if word.strip(".,!?")} - {",", ",please"}


def _say(rng: random.Random, scene: Scene) -> str:
    if scene.is_counted:
        first = scene.things[0]
        text = f"{grammar.COUNTS[len(scene.things)]} {_spell(rng, first.color)} {first.shape}s"
    else:
        things = [_article(_name(rng, thing)) for thing in scene.things]
        relation = f" {rng.choice(RELATION_WORDS[scene.relation])} " if scene.relation else ""
        text = relation.join(things)
    if not scene.background:
        return text
    return f"{text} {rng.choice(BEHIND).format(_article(_spell(rng, scene.background)))}"


def _name(rng: random.Random, thing: Thing) -> str:
    size = rng.choice(SIZE_WORDS[thing.size]) if thing.size else ""
    return f"{size} {_spell(rng, thing.color)} {thing.shape}".strip()


def _spell(rng: random.Random, color: str) -> str:
    return rng.choice(SPELLINGS.get(color, (color,)))


def _article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
