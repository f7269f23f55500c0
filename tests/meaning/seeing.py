"""Checks of vision: images, questions about them, and the right answers."""

from collections.abc import Callable

from tests.meaning import picture_files as files
from tests.meaning.face import MeaningCheck, SensesClient
from tests.meaning.judging import caption_matches, normalize_text
from tests.meaning.sights import (
    COLORS,
    SIDE,
    SMALL,
    blank_image,
    draw_shape,
    shapes_in_a_row,
    single_shape,
    text_image,
    two_shapes,
)

DESCRIBE = "Describe this image."
LEFT_OF = two_shapes(("red", "circle"), "left of", ("blue", "square"))
ABOVE = two_shapes(("red", "circle"), "above", ("blue", "square"))
THREE = shapes_in_a_row(("red", "circle"), ("blue", "square"), ("green", "star"))
ON_GRAY, BLACK = single_shape("black", "circle", "gray"), single_shape("black", "circle")
WIDE = draw_shape(
    draw_shape(blank_image("white", 320, 160), "red", "circle", (0.15, 0.5), 0.4), "blue", "square", (0.85, 0.5), 0.4
)
TALL = draw_shape(
    draw_shape(blank_image("white", 160, 320), "red", "circle", (0.5, 0.15), 0.4), "blue", "square", (0.5, 0.85), 0.4
)
CORNER_PIXELS = {corner: blank_image("white", 4, 4) for corner in ((0, 0), (3, 3))}
for corner, image in CORNER_PIXELS.items():
    image.putpixel(corner, COLORS["red"])
CORNER = draw_shape(blank_image(), "red", "circle", (0.22, 0.22), 0.25)
LEFT_OF_SENTENCE, ABOVE_SENTENCE = "a red circle left of a blue square", "a red circle above a blue square"


def caption_check(name: str, file: Callable[[], bytes], sentence: str) -> MeaningCheck:
    """Return the check that the description of an image means `sentence`."""

    async def run(client: SensesClient) -> None:
        said = await client.describe(file(), DESCRIBE)
        assert caption_matches(said, sentence), f"{name}: {said!r} does not mean {sentence!r}"

    return MeaningCheck(name, run)


def answer_check(name: str, file: Callable[[], bytes], question: str, answer: str) -> MeaningCheck:
    """Return the check that a question about an image gets `answer`."""

    async def run(client: SensesClient) -> None:
        said = await client.describe(file(), question)
        assert normalize_text(said) == answer, f"{name}: {question} {said!r} is not {answer!r}"

    return MeaningCheck(name, run)


async def _check_consecutive_images(client: SensesClient) -> None:
    for color in ("green", "purple"):
        said = await client.describe(files.encode_image(single_shape(color, "circle")), DESCRIBE)
        assert caption_matches(said, f"a {color} circle"), f"{said!r} does not mean a {color} circle"


CAPTION_CHECKS = (
    caption_check(
        "a red circle", lambda: files.encode_image(single_shape("red", "circle")), "a red circle on a white background"
    ),
    caption_check(
        "a star on blue",
        lambda: files.encode_image(single_shape("yellow", "star", "blue")),
        "a yellow star on a blue background",
    ),
    caption_check(
        "a small triangle",
        lambda: files.encode_image(single_shape("green", "triangle", share=SMALL)),
        "a small green triangle",
    ),
    caption_check("above", lambda: files.encode_image(ABOVE), "a red circle above a blue square"),
    caption_check("left of", lambda: files.encode_image(LEFT_OF), "a red circle left of a blue square"),
    answer_check("a number", lambda: files.encode_image(text_image("42")), DESCRIBE, "the number 42"),
    answer_check("nothing", lambda: files.encode_image(blank_image()), DESCRIBE, "a blank white image"),
)
QUESTION_CHECKS = (
    answer_check("the colour of one", lambda: files.encode_image(LEFT_OF), "What color is the square?", "blue"),
    answer_check("the shape of one", lambda: files.encode_image(LEFT_OF), "Which shape is red?", "a circle"),
    answer_check("how many", lambda: files.encode_image(ABOVE), "How many shapes are there?", "two"),
    answer_check("where", lambda: files.encode_image(ABOVE), "Where is the red circle?", "above the blue square"),
    answer_check("there", lambda: files.encode_image(ABOVE), "Is there a blue square?", "yes"),
    answer_check("not there", lambda: files.encode_image(ABOVE), "Is there a star?", "no"),
    answer_check(
        "behind it",
        lambda: files.encode_image(single_shape("yellow", "star", "blue")),
        "What color is the background?",
        "blue",
    ),
    answer_check("what it says", lambda: files.encode_image(text_image("7")), "What does it say?", "7"),
    answer_check("in which corner", lambda: files.encode_image(CORNER), "Where is the circle?", "at the top left"),
)
FILE_CHECKS = (
    caption_check("a JPEG", lambda: files.encode_image(LEFT_OF, "JPEG", quality=80), LEFT_OF_SENTENCE),
    caption_check(
        "a progressive JPEG",
        lambda: files.encode_image(LEFT_OF, "JPEG", quality=90, progressive=True),
        LEFT_OF_SENTENCE,
    ),
    caption_check(
        "a CMYK JPEG", lambda: files.encode_image(LEFT_OF.convert("CMYK"), "JPEG", quality=95), LEFT_OF_SENTENCE
    ),
    caption_check("a CMYK TIFF", lambda: files.encode_image(LEFT_OF.convert("CMYK"), "TIFF"), LEFT_OF_SENTENCE),
    caption_check(
        "a compressed TIFF", lambda: files.encode_image(LEFT_OF, "TIFF", compression="tiff_lzw"), LEFT_OF_SENTENCE
    ),
    caption_check("a BMP", lambda: files.encode_image(LEFT_OF, "BMP"), LEFT_OF_SENTENCE),
    caption_check("a WebP", lambda: files.encode_image(LEFT_OF, "WEBP", quality=80), LEFT_OF_SENTENCE),
    caption_check("a PNG with a palette", lambda: files.encode_image(LEFT_OF.quantize(16)), LEFT_OF_SENTENCE),
    caption_check("a PNG of 48 bits", lambda: files.encode_16_bit_rgb(LEFT_OF), LEFT_OF_SENTENCE),
    caption_check(
        "a PNG of 16 grays", lambda: files.encode_16_bit_gray(ON_GRAY), "a black circle on a gray background"
    ),
    caption_check(
        "a gray JPEG", lambda: files.encode_image(ON_GRAY.convert("L"), "JPEG"), "a black circle on a gray background"
    ),
    caption_check(
        "a PNG of one bit", lambda: files.encode_image(BLACK.convert("1")), "a black circle on a white background"
    ),
    caption_check("a turned JPEG", lambda: files.with_orientation(ABOVE, files.QUARTER_TURN), ABOVE_SENTENCE),
    caption_check(
        "a JPEG turned back", lambda: files.with_orientation(LEFT_OF, files.THREE_QUARTERS), LEFT_OF_SENTENCE
    ),
    caption_check("a JPEG upside down", lambda: files.with_orientation(ABOVE, files.HALF_TURN), ABOVE_SENTENCE),
    caption_check("a selfie", lambda: files.with_orientation(LEFT_OF, files.MIRRORED), LEFT_OF_SENTENCE),
    caption_check("a turned PNG", lambda: files.with_orientation(ABOVE, files.HALF_TURN, "PNG"), ABOVE_SENTENCE),
    caption_check("a turned WebP", lambda: files.with_orientation(ABOVE, files.HALF_TURN, "WEBP"), ABOVE_SENTENCE),
    caption_check("a transparent PNG", lambda: files.with_transparency(BLACK), "a black circle on a white background"),
    caption_check(
        "hidden colours", lambda: files.with_transparency(BLACK, (220, 30, 35)), "a black circle on a white background"
    ),
    caption_check(
        "a transparent WebP",
        lambda: files.with_transparency(BLACK, form="WEBP"),
        "a black circle on a white background",
    ),
    caption_check(
        "a transparent palette", lambda: files.with_palette_transparency(BLACK), "a black circle on a white background"
    ),
    caption_check("an animated GIF", lambda: files.encode_animation(LEFT_OF, BLACK, form="GIF"), LEFT_OF_SENTENCE),
    caption_check("an animated WebP", lambda: files.encode_animation(LEFT_OF, BLACK, form="WEBP"), LEFT_OF_SENTENCE),
    caption_check("a wide picture", lambda: files.encode_image(WIDE), LEFT_OF_SENTENCE),
    caption_check("a tall picture", lambda: files.encode_image(TALL), ABOVE_SENTENCE),
    answer_check("the first pixel", lambda: files.encode_image(CORNER_PIXELS[0, 0]), "What color is it?", "red"),
    answer_check("the last pixel", lambda: files.encode_image(CORNER_PIXELS[3, 3]), "What color is it?", "red"),
    MeaningCheck("one after the other", _check_consecutive_images),
)
COUNT_CHECKS = (
    caption_check(
        "two of a kind",
        lambda: files.encode_image(shapes_in_a_row(*[("red", "circle")] * 2, background="blue")),
        "two red circles on a blue background",
    ),
    caption_check(
        "three of a kind", lambda: files.encode_image(shapes_in_a_row(*[("green", "star")] * 3)), "three green stars"
    ),
    answer_check(
        "how many of three",
        lambda: files.encode_image(shapes_in_a_row(*[("green", "star")] * 3)),
        "How many stars are there?",
        "three",
    ),
    caption_check(
        "three things", lambda: files.encode_image(THREE), "a red circle left of a blue square left of a green star"
    ),
    caption_check(
        "a ring", lambda: files.encode_image(single_shape("purple", "ring")), "a purple ring on a white background"
    ),
    caption_check(
        "a diamond",
        lambda: files.encode_image(single_shape("red", "diamond", "yellow")),
        "a red diamond on a yellow background",
    ),
    caption_check("a rectangle", lambda: files.encode_image(single_shape("blue", "rectangle")), "a blue rectangle"),
    caption_check(
        "a square in a wide picture",
        lambda: files.encode_image(single_shape("blue", "square", width=2 * SIDE)),
        "a blue square",
    ),
    answer_check("a word", lambda: files.encode_image(text_image("open", width=2 * SIDE)), DESCRIBE, "the word open"),
    answer_check(
        "what a word says", lambda: files.encode_image(text_image("open", width=2 * SIDE)), "What does it say?", "open"
    ),
)
