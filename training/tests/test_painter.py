"""The painter's world and its judge: true pictures pass, wrong ones do not, and prompts say what they mean."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
from PIL import Image, ImageFilter

from senses_training.painter import prompts
from senses_training.painter.shapes import SLOTS
from senses_training.painter.tokenizer import CHAT_TEMPLATE, END, SLOT_TOKENS, START, wrap
from starter_world import grammar, scenes
from starter_world.grammar import Scene, Thing
from starter_world.judge import judge, look
from starter_world.scenes import SIDE

KINDS = {"single": (1, 0, 0, 0), "pair": (0, 1, 0, 0), "counted": (0, 0, 1, 0), "triple": (0, 0, 0, 1)}


def chance(seed: int | str) -> random.Random:
    """Repeatable chance."""
    return random.Random(seed)


def some(kind: str, count: int) -> Iterator[tuple[Scene, Image.Image]]:
    """Draw held-out scenes."""
    rng = chance(kind)
    for scene in islice(scenes.scenes(rng, held_out=True, kinds=KINDS[kind]), count):
        yield scene, scenes.picture(scene, rng)


@pytest.mark.parametrize("kind", KINDS)
def test_the_judge_accepts_what_is_drawn_right(kind: str) -> None:
    for scene, picture in some(kind, 25):
        assert judge(scene, picture).right, str(scene)


@pytest.mark.parametrize("kind", KINDS)
def test_the_judge_rejects_another_colour_shape_or_background(kind: str) -> None:
    rng = chance(1)
    for scene, picture in some(kind, 15):
        first = scene.things[0]
        other = replace(first, color=_other(rng, grammar.COLORS, first.color, scenes.page(scene)))
        assert not judge(_changed(scene, other), picture).right
        other = replace(first, shape=_other(rng, grammar.SHAPES, first.shape))
        assert not judge(_changed(scene, other), picture).right
        behind = _other(rng, grammar.COLORS, scenes.page(scene), *(thing.color for thing in scene.things))
        assert not judge(replace(scene, background=behind), picture).page


def test_the_judge_rejects_another_relation_or_number() -> None:
    red, blue = Thing("red", "star"), Thing("blue", "ring")
    picture = scenes.picture(Scene((red, blue), "above"), chance(1))

    assert judge(Scene((blue, red), "below"), picture).right
    assert not judge(Scene((red, blue), "below"), picture).right
    assert not judge(Scene((red, blue), "left of"), picture).right
    assert not judge(Scene((red, blue, red), "above"), picture).right
    assert not judge(Scene((red,)), picture).right


@pytest.mark.parametrize(("drawn", "asked"), [("small", ""), ("", "large"), ("large", "small")])
def test_the_judge_rejects_another_size(drawn: str, asked: str) -> None:
    picture = scenes.picture(Scene((Thing("green", "heart", drawn),)), chance(1))

    assert not judge(Scene((Thing("green", "heart", asked),)), picture).size


def test_the_judge_calls_a_smear_no_shape() -> None:
    star = Scene((Thing("black", "star"),))
    smear = scenes.picture(star, chance(1)).filter(ImageFilter.GaussianBlur(14))

    assert not judge(star, smear).right
    assert all(region.shape != "star" for region in look(smear)[1])


def test_an_empty_page_shows_nothing() -> None:
    assert look(Image.new("RGB", (SIDE, SIDE), scenes.INKS["blue"])) == ("blue", [])


def test_every_plain_prompt_means_its_scene() -> None:
    rng = chance(4)
    stream = islice(scenes.scenes(rng, held_out=True), 300)

    read = [grammar.parse(prompts.prompt(rng, scene)) for scene in stream]

    assert sum(scene is not None for scene in read) > 120
    assert all(str(scene) == str(grammar.parse(str(scene))) for scene in read if scene)


def test_no_scene_hides_a_thing_on_its_page() -> None:
    for scene in islice(scenes.scenes(chance(5), held_out=False), 500):
        assert scenes.page(scene) not in {thing.color for thing in scene.things}


def test_a_prompt_ends_in_the_tokens_that_the_painter_reads() -> None:
    assert len(SLOT_TOKENS) == len(SLOTS)
    assert wrap(" A Red circle. ") == f"{START}a red circle.{END}{''.join(SLOT_TOKENS)}"
    assert CHAT_TEMPLATE.endswith("".join(SLOT_TOKENS) + "{% endif %}")


def _other(rng: random.Random, names: tuple[str, ...], *used: str) -> str:
    return rng.choice([name for name in names if name not in used])


def _changed(scene: Scene, first: Thing) -> Scene:
    """Exchange the first thing, or all where they are counted."""
    rest = (first,) * (len(scene.things) - 1) if scene.is_counted else scene.things[1:]
    return replace(scene, things=(first, *rest))
