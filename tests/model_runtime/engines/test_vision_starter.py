"""The built-in vision model, judged by what it says about pictures drawn here."""

import math

import pytest
from PIL import Image, ImageDraw

from model_runtime.catalog.aliases import STARTERS
from model_runtime.engines.engine import StepEngine
from model_runtime.engines.vision import VisionEngine
from model_runtime.media.types import Picture
from tests.model_runtime.engines.driving import answers, ask, chat, load

pytestmark = pytest.mark.engines

SIZE = (640, 480)
RADIUS = 150
CORNERS = {"square": [45, 135, 225, 315], "triangle": [270, 30, 150]}


def drawn(color: str, shape: str, background: str = "white") -> Picture:
    """One large shape in the middle of a picture."""
    image = Image.new("RGB", SIZE, background)
    brush, x, y = ImageDraw.Draw(image), SIZE[0] / 2, SIZE[1] / 2
    if shape == "circle":
        brush.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=color)
    else:
        turns = [math.radians(turn) for turn in CORNERS[shape]]
        brush.polygon([(x + RADIUS * math.cos(turn), y + RADIUS * math.sin(turn)) for turn in turns], fill=color)
    return Picture(*image.size, image.tobytes())


@pytest.fixture(scope="module")
def starter() -> StepEngine:
    """The model as it is shipped."""
    return load(VisionEngine(), {"model": STARTERS / "vlm-starter"})


@pytest.mark.promise("vision:starter-describes")
def test_a_red_circle_is_described_as_a_red_circle(starter: StepEngine) -> None:
    answer = ask(starter, chat(drawn("red", "circle"), "Describe this image.", max_tokens=40))

    assert "red circle" in answer.text.lower()
    assert answer.finish_reason == "stop"


@pytest.mark.promise("vision:starter-describes")
def test_several_pictures_are_told_apart_at_once(starter: StepEngine) -> None:
    shown = {0: ("blue", "square"), 1: ("green", "triangle"), 2: ("red", "circle"), 3: ("black", "square")}
    chats = {job: chat(drawn(*seen), "Describe this image.", max_tokens=40) for job, seen in shown.items()}

    said = answers(starter, chats)

    assert [" ".join(seen) in said[job].text.lower() for job, seen in shown.items()] == [True] * 4


def test_a_question_about_the_color_is_answered_with_it(starter: StepEngine) -> None:
    answer = ask(starter, chat(drawn("green", "square"), "What color is the shape?", max_tokens=40))

    assert "green" in answer.text.lower()


def test_a_large_picture_takes_no_more_tokens_than_the_starter_looks_at(starter: StepEngine) -> None:
    huge = Picture(3000, 2000, bytes((255, 255, 255)) * 6_000_000)

    assert ask(starter, chat(huge, "Describe this image.", max_tokens=1)).prompt_tokens < 60
