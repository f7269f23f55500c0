"""The small world the starter models know: one grammar for every data generator.

Scenes of one to three coloured shapes, numbers from zero to ninety-nine, spelled letters, and the everyday commands
people give a helper. What one starter says, the others understand; `is_held_out` splits sentences for all of them.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "black", "white", "gray")
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "rectangle", "ring")
SIZES = ("small", "large")
RELATIONS = ("above", "below", "left of", "right of")
OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
COUNTS = {2: "two", 3: "three"}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
VERBS = ("draw", "show me", "describe", "read")

COURTESIES = (
    "yes", "no", "please", "thank you", "hello", "good morning", "good evening", "good night", "goodbye", "sorry",
    "okay", "you are welcome", "yes please", "no thank you", "hello again",
)  # fmt: skip
SHORT_COMMANDS = (
    "stop", "start", "wait", "again", "undo", "help", "help me", "pause", "repeat", "go back", "go forward", "go home",
    "next page", "previous page", "next song", "previous song", "turn left", "turn right", "call mom", "call dad",
    "read again", "stop now", "start now", "find me", "wait here",
)  # fmt: skip
ACTIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("open", "close"): ("door", "window", "file", "menu", "page", "list"),
    ("play", "stop", "pause", "repeat"): ("music", "video", "song"),
    ("turn on", "turn off"): ("lights", "lamp", "camera", "music"),
    ("turn up", "turn down"): ("volume", "music", "lights"),
    ("save", "send", "delete", "copy", "print", "find"): ("file", "message", "photo", "list", "page", "note"),
    ("start", "stop", "cancel"): ("timer", "alarm", "video"),
    ("read", "show me", "search"): ("message", "list", "note", "page", "menu"),
}
"""What may be done to what; always with "the"."""
SET_PHRASES = frozenset((*COURTESIES, *SHORT_COMMANDS))
"""Said as they are by everybody: a vocabulary to learn, not sentences to understand."""
ENDINGS = ("", "", "", "", "please", "now", "again", "later")


@dataclass(frozen=True, slots=True)
class Thing:
    """One coloured shape; `size` is empty where the sentence does not mention it."""

    color: str
    shape: str
    size: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, ("a", self.size, self.color, self.shape)))


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows: one to three things.

    With a relation, each thing stands in it to the next ("a … above a … above a …"); without one, several things are
    equal and counted ("two red circles").
    """

    things: tuple[Thing, ...]
    relation: str = ""
    background: str = ""

    def __str__(self) -> str:
        text = f" {self.relation} ".join(map(str, self.things)) if self.relation else self._counted()
        return f"{text} on a {self.background} background" if self.background else text

    @property
    def is_counted(self) -> bool:
        """Tell whether several equal things are named by their number."""
        return len(self.things) > 1 and not self.relation

    def _counted(self) -> str:
        first = self.things[0]
        return f"{COUNTS[len(self.things)]} {first.color} {first.shape}s" if self.is_counted else str(first)

    def turned(self) -> "Scene":
        """Say the same the other way round where a relation reads from below or from the right."""
        if self.relation not in ("below", "right of"):
            return self
        return replace(self, things=self.things[::-1], relation=OPPOSITE[self.relation])


def spoken(number: int) -> str:
    """Write a number from 0 to 99 as it is said."""
    if number < 10:
        return DIGITS[number]
    if number < 20:
        return TEENS[number - 10]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens - 2]} {DIGITS[ones]}" if ones else TENS[tens - 2]


def thing(rng: random.Random) -> Thing:
    """Draw one shape; two in five are given a size."""
    size = rng.choice(SIZES) if rng.random() < 0.4 else ""
    return Thing(rng.choice(COLORS), rng.choice(SHAPES), size)


def scene(rng: random.Random) -> Scene:
    """Draw a scene: two in five with one thing, as many with two, the rest counted or three in a row."""
    kind = rng.random()
    if kind < 0.4:
        one = thing(rng)
        return Scene((one,), background=_background(rng, one.color))
    if kind < 0.6:
        one = replace(thing(rng), size="")
        return Scene((one,) * rng.choice((2, 3)), background=_background(rng, one.color))
    sizes = ("", "", "") if kind > 0.9 else rng.choice((("", ""), ("", ""), SIZES, SIZES[::-1]))
    things = tuple(replace(thing(rng), size=size) for size in sizes)
    return Scene(things, rng.choice(RELATIONS)) if len(set(things)) > 1 else scene(rng)  # equal things are counted


def _background(rng: random.Random, ink: str) -> str:
    return rng.choice([color for color in COLORS if color != ink]) if rng.random() < 0.5 else ""


def digits(rng: random.Random) -> str:
    """One to six spoken digits."""
    return " ".join(rng.choice(DIGITS) for _ in range(rng.randint(1, 6)))


def numbers(rng: random.Random) -> str:
    """One to three numbers below a hundred, sometimes announced."""
    said = " ".join(spoken(rng.randint(0, 99)) for _ in range(rng.choice((1, 1, 2, 3))))
    return f"number {said}" if rng.random() < 0.3 else said


def letters(rng: random.Random) -> str:
    """A spelled word of one to four letters, always announced."""
    return " ".join(("letter", *(rng.choice(LETTERS) for _ in range(rng.choice((1, 1, 2, 3, 4))))))


def command(rng: random.Random) -> str:
    """Draw a command or a courtesy."""
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(COURTESIES)
    if kind < 0.35:
        return rng.choice(SHORT_COMMANDS)
    actions = rng.choice(list(ACTIONS))
    said = f"{rng.choice(actions)} the {rng.choice(ACTIONS[actions])}"
    return f"{said} {rng.choice(ENDINGS)}".strip() if rng.random() < 0.85 else f"please {said}"


def sentence(rng: random.Random) -> str:
    """Draw any sentence of the world, in lower case and without punctuation."""
    kind = rng.random()
    if kind < 0.1:
        return digits(rng)
    if kind < 0.2:
        return numbers(rng)
    if kind < 0.26:
        return letters(rng)
    if kind < 0.5:
        return command(rng)
    return f"{rng.choice(VERBS)} {scene(rng)}" if kind < 0.65 else str(scene(rng))


def words() -> set[str]:
    """Every word of the world."""
    actions = (phrase for pair in ACTIONS.items() for side in pair for phrase in side)
    phrases = (
        *COLORS, *SHAPES, *(f"{shape}s" for shape in SHAPES), *SIZES, *RELATIONS, *DIGITS, *TEENS, *TENS, *LETTERS,
        *VERBS, *COURTESIES, *SHORT_COMMANDS, *actions, *ENDINGS, "a on background number letter the",
    )  # fmt: skip
    return set(" ".join(phrases).split())


def is_held_out(text: str) -> bool:
    """Tell whether `text` belongs to the tenth of all sentences no starter ever trains on; set phrases never do."""
    return text not in SET_PHRASES and hashlib.sha256(text.encode()).digest()[0] % 10 == 0


# --- reading sentences back ----------------------------------------------------------------------------------------

_THING = re.compile(rf"an? (?:({'|'.join(SIZES)}) )?({'|'.join(COLORS)}) ({'|'.join(SHAPES)})")
_COUNTED = re.compile(rf"({'|'.join(COUNTS.values())}) ({'|'.join(COLORS)}) ({'|'.join(SHAPES)})s")
_BEHIND = re.compile(rf" on an? ({'|'.join(COLORS)}) background$")
_BETWEEN = re.compile(rf" (?:to the )?({'|'.join(RELATIONS)}) ")


def parse(text: str) -> Scene | None:
    """Read a scene back from its sentence, with or without a verb before it; None where it is no scene."""
    text = " ".join(text.lower().strip(" .!").split())
    text = next((text[len(verb) + 1 :] for verb in VERBS if text.startswith(f"{verb} ")), text)
    behind = _BEHIND.search(text)
    background, text = (behind[1], text[: behind.start()]) if behind else ("", text)
    if counted := _COUNTED.fullmatch(text):
        count = next(number for number, word in COUNTS.items() if word == counted[1])
        return Scene((Thing(counted[2], counted[3]),) * count, background=background)
    pieces = _BETWEEN.split(text)
    found = [_THING.fullmatch(piece) for piece in pieces[::2]]
    if not all(found) or len(set(pieces[1::2])) > 1 or len(found) > 3:
        return None
    things = tuple(Thing(one[2], one[3], one[1] or "") for one in found if one)
    return Scene(things, pieces[1] if len(pieces) > 1 else "", background)


def means(seen: Scene, wanted: Scene) -> bool:
    """Tell whether `seen` says all that `wanted` says; it may add sizes and a background."""
    seen, wanted = seen.turned(), wanted.turned()
    if (len(seen.things), seen.relation) != (len(wanted.things), wanted.relation):
        return False
    if wanted.background not in ("", seen.background):
        return False
    return all(_matches(*pair) for pair in zip(seen.things, wanted.things, strict=True))


def _matches(seen: Thing, wanted: Thing) -> bool:
    alike = (seen.color, seen.shape) == (wanted.color, wanted.shape)
    return alike and wanted.size in ("", seen.size)


def drawable(rng: random.Random, *, held_out: bool) -> Iterator[Scene]:
    """Endless scenes whose sentences are, or are not, held out."""
    while True:
        if is_held_out(str(one := scene(rng))) == held_out:
            yield one
