"""What must be seen: pictures, questions about them, and the answers that are right."""

from collections.abc import Callable

from tests.meaning import picture_files as files
from tests.meaning.face import Check, Face
from tests.meaning.judging import plain, says
from tests.meaning.sights import COLORS, SIDE, SMALL, alone, in_a_row, paper, printed, put, two

DESCRIBE = "Describe this image."
LEFT_OF = two(("red", "circle"), "left of", ("blue", "square"))
ABOVE = two(("red", "circle"), "above", ("blue", "square"))
THREE = in_a_row(("red", "circle"), ("blue", "square"), ("green", "star"))
ON_GRAY, BLACK = alone("black", "circle", "gray"), alone("black", "circle")
WIDE = put(put(paper("white", 320, 160), "red", "circle", (0.15, 0.5), 0.4), "blue", "square", (0.85, 0.5), 0.4)
TALL = put(put(paper("white", 160, 320), "red", "circle", (0.5, 0.15), 0.4), "blue", "square", (0.5, 0.85), 0.4)
TINY = {corner: paper("white", 4, 4) for corner in ((0, 0), (3, 3))}
for corner, image in TINY.items():
    image.putpixel(corner, COLORS["red"])
CORNER = put(paper(), "red", "circle", (0.22, 0.22), 0.25)
TO_THE_LEFT, ON_TOP = "a red circle left of a blue square", "a red circle above a blue square"


def caption(name: str, file: Callable[[], bytes], wanted: str) -> Check:
    """A picture whose description must mean `wanted`."""

    async def run(face: Face) -> None:
        said = await face.see(file(), DESCRIBE)
        assert says(said, wanted), f"{name}: {said!r} does not mean {wanted!r}"

    return Check(name, run)


def words(name: str, file: Callable[[], bytes], question: str, wanted: str) -> Check:
    """A picture about which a question has one answer."""

    async def run(face: Face) -> None:
        said = await face.see(file(), question)
        assert plain(said) == wanted, f"{name}: {question} {said!r} is not {wanted!r}"

    return Check(name, run)


async def _one_after_the_other(face: Face) -> None:
    for color in ("green", "purple"):
        said = await face.see(files.written(alone(color, "circle")), DESCRIBE)
        assert says(said, f"a {color} circle"), f"{said!r} does not mean a {color} circle"


SHOWN = (
    caption("a red circle", lambda: files.written(alone("red", "circle")), "a red circle on a white background"),
    caption(
        "a star on blue", lambda: files.written(alone("yellow", "star", "blue")), "a yellow star on a blue background"
    ),
    caption(
        "a small triangle", lambda: files.written(alone("green", "triangle", share=SMALL)), "a small green triangle"
    ),
    caption("above", lambda: files.written(ABOVE), "a red circle above a blue square"),
    caption("left of", lambda: files.written(LEFT_OF), "a red circle left of a blue square"),
    words("a number", lambda: files.written(printed("42")), DESCRIBE, "the number 42"),
    words("nothing", lambda: files.written(paper()), DESCRIBE, "a blank white image"),
)
ASKED = (
    words("the colour of one", lambda: files.written(LEFT_OF), "What color is the square?", "blue"),
    words("the shape of one", lambda: files.written(LEFT_OF), "Which shape is red?", "a circle"),
    words("how many", lambda: files.written(ABOVE), "How many shapes are there?", "two"),
    words("where", lambda: files.written(ABOVE), "Where is the red circle?", "above the blue square"),
    words("there", lambda: files.written(ABOVE), "Is there a blue square?", "yes"),
    words("not there", lambda: files.written(ABOVE), "Is there a star?", "no"),
    words("behind it", lambda: files.written(alone("yellow", "star", "blue")), "What color is the background?", "blue"),
    words("what it says", lambda: files.written(printed("7")), "What does it say?", "7"),
    words("in which corner", lambda: files.written(CORNER), "Where is the circle?", "at the top left"),
)
FILES = (
    caption("a JPEG", lambda: files.written(LEFT_OF, "JPEG", quality=80), TO_THE_LEFT),
    caption("a progressive JPEG", lambda: files.written(LEFT_OF, "JPEG", quality=90, progressive=True), TO_THE_LEFT),
    caption("a CMYK JPEG", lambda: files.written(LEFT_OF.convert("CMYK"), "JPEG", quality=95), TO_THE_LEFT),
    caption("a CMYK TIFF", lambda: files.written(LEFT_OF.convert("CMYK"), "TIFF"), TO_THE_LEFT),
    caption("a compressed TIFF", lambda: files.written(LEFT_OF, "TIFF", compression="tiff_lzw"), TO_THE_LEFT),
    caption("a BMP", lambda: files.written(LEFT_OF, "BMP"), TO_THE_LEFT),
    caption("a WebP", lambda: files.written(LEFT_OF, "WEBP", quality=80), TO_THE_LEFT),
    caption("a PNG with a palette", lambda: files.written(LEFT_OF.quantize(16)), TO_THE_LEFT),
    caption("a PNG of 48 bits", lambda: files.deep_color(LEFT_OF), TO_THE_LEFT),
    caption("a PNG of 16 grays", lambda: files.deep_gray(ON_GRAY), "a black circle on a gray background"),
    caption("a gray JPEG", lambda: files.written(ON_GRAY.convert("L"), "JPEG"), "a black circle on a gray background"),
    caption("a PNG of one bit", lambda: files.written(BLACK.convert("1")), "a black circle on a white background"),
    caption("a turned JPEG", lambda: files.turned(ABOVE, files.QUARTER_TURN), ON_TOP),
    caption("a JPEG turned back", lambda: files.turned(LEFT_OF, files.THREE_QUARTERS), TO_THE_LEFT),
    caption("a JPEG upside down", lambda: files.turned(ABOVE, files.HALF_TURN), ON_TOP),
    caption("a selfie", lambda: files.turned(LEFT_OF, files.MIRRORED), TO_THE_LEFT),
    caption("a turned PNG", lambda: files.turned(ABOVE, files.HALF_TURN, "PNG"), ON_TOP),
    caption("a turned WebP", lambda: files.turned(ABOVE, files.HALF_TURN, "WEBP"), ON_TOP),
    caption("a transparent PNG", lambda: files.see_through(BLACK), "a black circle on a white background"),
    caption("hidden colours", lambda: files.see_through(BLACK, (220, 30, 35)), "a black circle on a white background"),
    caption(
        "a transparent WebP", lambda: files.see_through(BLACK, form="WEBP"), "a black circle on a white background"
    ),
    caption("a transparent palette", lambda: files.indexed_see_through(BLACK), "a black circle on a white background"),
    caption("an animated GIF", lambda: files.animated(LEFT_OF, BLACK, form="GIF"), TO_THE_LEFT),
    caption("an animated WebP", lambda: files.animated(LEFT_OF, BLACK, form="WEBP"), TO_THE_LEFT),
    caption("a wide picture", lambda: files.written(WIDE), TO_THE_LEFT),
    caption("a tall picture", lambda: files.written(TALL), ON_TOP),
    words("the first pixel", lambda: files.written(TINY[0, 0]), "What color is it?", "red"),
    words("the last pixel", lambda: files.written(TINY[3, 3]), "What color is it?", "red"),
    Check("one after the other", _one_after_the_other),
)
COUNTED = (
    caption(
        "two of a kind",
        lambda: files.written(in_a_row(*[("red", "circle")] * 2, background="blue")),
        "two red circles on a blue background",
    ),
    caption("three of a kind", lambda: files.written(in_a_row(*[("green", "star")] * 3)), "three green stars"),
    words(
        "how many of three",
        lambda: files.written(in_a_row(*[("green", "star")] * 3)),
        "How many stars are there?",
        "three",
    ),
    caption("three things", lambda: files.written(THREE), "a red circle left of a blue square left of a green star"),
    caption("a ring", lambda: files.written(alone("purple", "ring")), "a purple ring on a white background"),
    caption(
        "a diamond", lambda: files.written(alone("red", "diamond", "yellow")), "a red diamond on a yellow background"
    ),
    caption("a rectangle", lambda: files.written(alone("blue", "rectangle")), "a blue rectangle"),
    caption(
        "a square in a wide picture", lambda: files.written(alone("blue", "square", width=2 * SIDE)), "a blue square"
    ),
    words("a word", lambda: files.written(printed("open", width=2 * SIDE)), DESCRIBE, "the word open"),
    words("what a word says", lambda: files.written(printed("open", width=2 * SIDE)), "What does it say?", "open"),
)
