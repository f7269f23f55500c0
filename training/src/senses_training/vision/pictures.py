"""What a picture of the world is: an image and all that is known about it."""

from dataclasses import dataclass

from PIL import Image

from starter_world.grammar import Scene, Thing

OPPOSITE = {"above": "below", "left of": "right of", "below": "above", "right of": "left of"}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one shape, digit or letter lies: its box as shares of width and height."""

    name: str
    color: str
    size: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image and what it shows. `centers` are shares of width and height, one for each thing or print."""

    image: Image.Image
    background: str
    scene: Scene | None = None
    number: str = ""
    word: str = ""
    ink: str = ""
    centers: tuple[tuple[float, float], ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def things(self) -> tuple[Thing, ...]:
        """The shapes, uppermost or leftmost first."""
        return self.scene.things if self.scene else ()

    @property
    def printed(self) -> str:
        """The printed number or word; a word in lower case, however it is printed."""
        return self.number or self.word

    @property
    def kind(self) -> str:
        """Name what kind of picture this is."""
        if self.printed:
            return "number" if self.number else "word"
        if not self.scene:
            return "blank"
        if self.scene.is_counted:
            return "counted"
        return ("single", "pair", "triple")[len(self.things) - 1]

    @property
    def caption(self) -> str:
        """The one canonical sentence for this picture."""
        if self.number:
            return f"The number {self.number}."
        if self.word:
            return f'The word "{self.word}".'
        if not self.scene:
            return f"A blank {self.background} image."
        text = english(str(self.scene))
        return f"{text[0].upper()}{text[1:]}."


def english(text: str) -> str:
    """Write the world's "a orange" as people do."""
    return text.replace("a orange", "an orange")
