"""The built-in vision model, judged by what it says about pictures drawn here."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from model_runtime.catalog.builtin_models import STARTER_FOLDER
from model_runtime.engines.protocol import StepEngine
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.media.types import ImageData, MediaFile
from tests.meaning.sights import LARGE, blank_image, draw_shape, single_shape, text_image, two_shapes
from tests.model_runtime.engines.step_engine_driver import chat, load, results_of, run_chat

pytestmark = pytest.mark.engines

SIZE = (640, 480)
RADIUS = 150
CORNERS = {"square": [45, 135, 225, 315], "triangle": [270, 30, 150]}


def drawn(color: str, shape: str, background: str = "white") -> ImageData:
    """One large shape in the middle of a picture."""
    image = Image.new("RGB", SIZE, background)
    brush, x, y = ImageDraw.Draw(image), SIZE[0] / 2, SIZE[1] / 2
    if shape == "circle":
        brush.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=color)
    else:
        turns = [math.radians(turn) for turn in CORNERS[shape]]
        brush.polygon([(x + RADIUS * math.cos(turn), y + RADIUS * math.sin(turn)) for turn in turns], fill=color)
    return ImageData(*image.size, image.tobytes())


def row(*shapes: tuple[str, str]) -> Image.Image:
    """Shapes of one size side by side on white."""
    image = blank_image()
    for place, (color, shape) in enumerate(shapes):
        image = draw_shape(image, color, shape, ((place + 0.5) / len(shapes), 0.5), 0.26)
    return image


def asked(starter: StepEngine, image: Image.Image, question: str) -> str:
    """What the starter answers about a picture."""
    return run_chat(starter, chat(ImageData(*image.size, image.tobytes()), question, max_tokens=60)).text


@pytest.fixture(scope="module")
def starter() -> StepEngine:
    """The model as it is shipped."""
    return load(VisionEngine(), {"model": STARTER_FOLDER / "vlm-starter"})


def test_pixels_in_a_file_are_seen_as_those_in_memory(starter: StepEngine, tmp_path: Path) -> None:
    image, path = drawn("red", "circle"), tmp_path / "decoded"
    path.write_bytes(image.rgb)
    in_file = replace(image, content=MediaFile(str(path), len(image.rgb)))

    answers = [run_chat(starter, chat(one, "Describe this image.", max_tokens=40)).text for one in (image, in_file)]

    assert answers[0] == answers[1]


@pytest.mark.promise("vision:starter-describes")
def test_a_red_circle_is_described_as_a_red_circle(starter: StepEngine) -> None:
    answer = run_chat(starter, chat(drawn("red", "circle"), "Describe this image.", max_tokens=40))

    assert "red circle" in answer.text.lower()
    assert answer.finish_reason == "stop"


@pytest.mark.promise("vision:starter-describes")
def test_several_pictures_are_told_apart_at_once(starter: StepEngine) -> None:
    shown = {0: ("blue", "square"), 1: ("green", "triangle"), 2: ("red", "circle"), 3: ("black", "square")}
    chats = {job: chat(drawn(*seen), "Describe this image.", max_tokens=40) for job, seen in shown.items()}

    said = results_of(starter, chats)

    assert [" ".join(seen) in said[job].text.lower() for job, seen in shown.items()] == [True] * 4


@pytest.mark.promise("vision:starter-describes")
@pytest.mark.parametrize(
    ("shown", "caption"),
    [
        (single_shape("red", "ring", share=LARGE), "A large red ring on a white background."),
        (single_shape("yellow", "diamond", "blue"), "A yellow diamond on a blue background."),
        (row(("green", "star"), ("green", "star")), "Two green stars on a white background."),
        (row(("red", "circle"), ("red", "circle"), ("red", "circle")), "Three red circles on a white background."),
        (two_shapes(("red", "rectangle"), "above", ("black", "triangle")), "A red rectangle above a black triangle."),
        (
            row(("red", "circle"), ("blue", "square"), ("green", "star")),
            "A red circle left of a blue square left of a green star.",
        ),
        (text_image("42"), "The number 42."),
        (text_image("open", width=336), 'The word "open".'),
        (blank_image("gray"), "A blank gray image."),
    ],
)
def test_every_kind_of_picture_has_its_sentence(starter: StepEngine, shown: Image.Image, caption: str) -> None:
    assert asked(starter, shown, "Describe this image.") == caption


@pytest.mark.promise("vision:starter-reads")
@pytest.mark.parametrize("text", ["open", "Music", "STOP", "42", "7"])
def test_what_is_printed_is_read_and_nothing_added(starter: StepEngine, text: str) -> None:
    said = asked(starter, text_image(text, width=336), "What does it say?")

    assert said == text.lower()


@pytest.mark.promise("vision:starter-admits-absence")
@pytest.mark.parametrize(
    ("shown", "question", "answer"),
    [
        (single_shape("red", "circle"), "What color is the star?", "There is no star."),
        (single_shape("red", "circle"), "What does it say?", "There is no text."),
        (single_shape("red", "circle"), "Is there a square?", "No."),
        (blank_image(), "How many shapes are there?", "None."),
        (blank_image(), "Is this image blank?", "Yes."),
    ],
)
def test_what_is_not_there_is_said_to_be_absent(
    starter: StepEngine, shown: Image.Image, question: str, answer: str
) -> None:
    assert asked(starter, shown, question) == answer


def test_a_question_about_the_color_is_answered_with_it(starter: StepEngine) -> None:
    answer = run_chat(starter, chat(drawn("green", "square"), "What color is the shape?", max_tokens=40))

    assert "green" in answer.text.lower()


def test_a_large_picture_takes_no_more_tokens_than_the_starter_looks_at(starter: StepEngine) -> None:
    huge = ImageData(3000, 2000, bytes((255, 255, 255)) * 6_000_000)

    assert run_chat(starter, chat(huge, "Describe this image.", max_tokens=1)).prompt_tokens < 60
