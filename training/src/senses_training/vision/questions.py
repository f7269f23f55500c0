"""What people ask about a picture, in many words, and the one right answer."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from senses_training.vision.pictures import OPPOSITE, Picture, english
from starter_world.grammar import COLORS, SHAPES, Thing
from starter_world.grammar import words as world_words

COUNTS = ("None.", "One.", "Two.", "Three.")
NO_PICTURE = "Please attach a picture."

CAPTION_PROMPTS = (
    "Describe this image.", "Describe the image.", "Describe this picture.", "Describe what you see.",
    "Describe the picture in one sentence.", "Describe this image in one sentence.", "Describe this image in detail.",
    "Describe the contents of this image.", "Please describe this image.", "Can you describe this image?",
    "Describe this screenshot.", "Describe the attached image.", "Give a short description of this image.",
    "What is in this image?", "What is in the picture?", "What's in this picture?", "What's in the image?",
    "What is shown here?", "What does this image show?", "What does the picture show?", "What is this?",
    "What do you see?", "What do you see in this image?", "What can you see?", "What can you see in the picture?",
    "Caption this image.", "Caption this.", "Write a caption for this image.", "Give this picture a caption.",
    "Write alt text for this image.", "Write alt text.", "Alt text?", "Generate alt text for this picture.",
    "Write a short alt text for this image, one sentence.", "Provide a concise alt text.",
    "Tell me what is in the picture.", "Tell me what you see.", "Explain this image.", "Summarize this image.",
    "What is depicted in this image?", "What's this?", "What am I looking at?", "Look at this image.", "Describe.",
    "Describe this image for a blind user.", "Describe the image for someone who cannot see it.", "Image description?",
    "Describe the scene.", "What is going on in this picture?", "What is happening in this image?", "Caption:",
    "Describe the main content of the image.", "What objects are in this image?", "What is drawn here?",
    "Describe this image in one short sentence.",
    "Write alt text for this image: at most 125 characters, no 'image of'. Answer with the text only.",
    "What did I draw?", "Show me what you see.", "In one sentence, what is this?", "Briefly describe the picture.",
)  # fmt: skip
CAPTION_VERBS = ("describe", "caption", "explain", "summarize", "characterize", "interpret", "look at", "inspect")
CAPTION_MANNERS = (
    "", "", "", "please", "briefly", "in one sentence", "in a few words", "in plain English", "for me", "in detail",
    "for a blind reader", "as alt text", "accurately", "in one short sentence", "for a web page", "step by step",
)  # fmt: skip
IMAGES = ("this image", "the image", "this picture", "the picture", "this photo", "the attached image", "this drawing",
          "this screenshot", "the figure", "this", "it", "the screenshot", "the attached picture", "image 1")  # fmt: skip
OTHER_PROMPTS = (
    "Hello!", "Hi", "Thanks.", "Tell me a story.", "What do you think?", "Is anything wrong here?", "Why?",
    "Write a poem about this.", "Does this look right?", "Check this design.", "Review the layout of this page.",
    "What would you improve?", "Here is a screenshot of my app. What does it show?", "Is this correct?", "Help.",
    "Answer the question.", "Please look at the file I attached and tell me about it.", "Do you like it?", "OK",
    "Compare this with what I asked for.", "List everything you can see.", "Return JSON.", "Who made this?",
)  # fmt: skip
SYSTEM_PROMPTS = (
    "You are a helpful vision assistant.", "Answer in one short sentence.", "You are an expert at describing images.",
    "You describe images for people who cannot see them.", "Be concise.", "You are a coding agent with tools.",
    "You look at pictures and answer questions about them.", "Reply with plain text only.",
    "You are a careful assistant. Answer truthfully and briefly.", "Describe images accurately.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its answer, and the kind it is scored under; `spelled` is the printed text the answer repeats."""

    kind: str
    text: str
    answer: str
    spelled: str = ""


# --- wordings ------------------------------------------------------------------------------------------------------


def caption_prompt(rng: random.Random) -> str:
    """Draw a way to ask for a caption; anything that is no question about the world counts as one."""
    kind = rng.random()
    if kind < 0.6:
        return loosen(rng, rng.choice(CAPTION_PROMPTS))
    if kind < 0.88:
        words = f"{rng.choice(CAPTION_VERBS)} {rng.choice(IMAGES)} {rng.choice(CAPTION_MANNERS)}".strip()
        return loosen(rng, f"{words[0].upper()}{words[1:]}.")
    return loosen(rng, rng.choice(OTHER_PROMPTS))


def loosen(rng: random.Random, text: str) -> str:
    """Write `text` as people type it: without its last mark, in lower case, with a word of courtesy."""
    if rng.random() < 0.15:
        text = text.rstrip(".?!:")
    if rng.random() < 0.12:
        text = text.lower()
    if rng.random() < 0.3:
        text = text.replace("color", "colour")
    if rng.random() < 0.06:
        text = f"{text} {rng.choice(('Answer briefly.', 'Be brief.', 'Answer in one word.', 'Thank you.', 'Please.'))}"
    return text


def _ask(rng: random.Random, kind: str, wordings: Sequence[str], answer: str) -> Question:
    return Question(kind, loosen(rng, rng.choice(wordings)), answer)


def _sentence(text: str) -> str:
    text = english(text)
    return f"{text[0].upper()}{text[1:]}."


def _name(thing: Thing) -> str:
    return f"{thing.color} {thing.shape}"


def _listed(words: Sequence[str]) -> str:
    """Name each once: "red", "red and blue", "red, blue and green"."""
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} and {last}" if first else last


# --- questions -----------------------------------------------------------------------------------------------------


def ask_color(rng: random.Random, picture: Picture) -> Question:
    """Ask for the colour of a shape, or of the only thing there is."""
    shape = rng.choice([*(thing.shape for thing in picture.things), rng.choice(SHAPES)])
    colors = [thing.color for thing in picture.things if thing.shape == shape]
    if picture.things and rng.random() < 0.3:
        vague = ("What color is it?", "What color is the shape?", "Which color is the object?", "What color?")
        return _ask(rng, "color", vague, _sentence(_listed([thing.color for thing in picture.things])))
    wordings = (
        f"What color is the {shape}?", f"Which color is the {shape}?", f"What is the color of the {shape}?",
        f"What color does the {shape} have?", f"Tell me the color of the {shape}.", f"The {shape} is what color?",
    )  # fmt: skip
    return _ask(rng, "color", wordings, _sentence(_listed(colors)) if colors else f"There is no {shape}.")


def ask_shape(rng: random.Random, picture: Picture) -> Question:
    """Ask which shape there is, or which one has a colour."""
    if not picture.things or rng.random() < 0.4:
        vague = (
            "What shape is it?", "What shape is this?", "Which shape is this?", "What shape do you see?",
            "Which shape is in the picture?", "What shape is in the image?", "Name the shape.", "What shapes are there?",
        )  # fmt: skip
        shapes = [f"a {thing.shape}" for thing in picture.things]
        return _ask(rng, "shape", vague, _sentence(_listed(shapes)) if shapes else "There is no shape.")
    color = rng.choice([*(thing.color for thing in picture.things), rng.choice(COLORS)])
    shapes = [f"a {thing.shape}" for thing in picture.things if thing.color == color]
    wordings = (
        f"What shape is the {color} thing?", f"What shape is {color}?", f"Which shape is {color}?", f"What is {color}?",
        f"What is the shape of the {color} object?", f"What shape is the {color} object?", f"What {color} shape is there?",
    )  # fmt: skip
    return _ask(rng, "shape", wordings, _sentence(_listed(shapes)) if shapes else f"Nothing is {color}.")


def ask_count(rng: random.Random, picture: Picture) -> Question:
    """Ask how many shapes there are, of one kind or in all."""
    if rng.random() < 0.5:
        what, count = rng.choice(("shapes", "objects", "figures")), len(picture.things)
        if what == "objects" and picture.printed:
            what = "shapes"
    else:
        shape = rng.choice([*(thing.shape for thing in picture.things), rng.choice(SHAPES)])
        what, count = f"{shape}s", sum(thing.shape == shape for thing in picture.things)
    wordings = (
        f"How many {what} are there?", f"How many {what} do you see?", f"How many {what}?", f"Count the {what}.",
        f"How many {what} are in the picture?", f"How many {what} does the image show?", f"What number of {what} is shown?",
    )  # fmt: skip
    return _ask(rng, "count", wordings, COUNTS[count])


def place(center: tuple[float, float]) -> str:
    """Name where in the picture `center` lies, or nothing where two people might disagree."""
    words = []
    for share, before, after in ((center[1], "top", "bottom"), (center[0], "left", "right")):
        distance = share - 0.5
        if 0.07 < abs(distance) < 0.14:
            return ""
        if abs(distance) >= 0.14:
            words.append(before if distance < 0 else after)
    match words:
        case []:
            return "In the middle."
        case ["left"] | ["right"]:
            return f"On the {words[0]}."
        case _:
            return f"At the {' '.join(words)}."


def ask_where(rng: random.Random, picture: Picture) -> Question | None:
    """Ask where a thing is: beside which other, or where in the picture when it is alone."""
    if not picture.things or rng.random() < 0.08:
        thing = Thing(rng.choice(COLORS), rng.choice(SHAPES))
    else:
        thing = rng.choice(picture.things)
    name = rng.choice((thing.shape, _name(thing)))
    answer = _whereabouts(picture, name)
    wordings = (
        f"Where is the {name}?", f"Where is the {name} in the picture?", f"Where do you see the {name}?",
        f"Where's the {name}?", f"Where can I find the {name}?", f"Locate the {name}.",
        f"Where is the {name} located?", f"What is the position of the {name}?",
    )  # fmt: skip
    return _ask(rng, "where", wordings, answer) if answer else None


def _whereabouts(picture: Picture, name: str) -> str:
    found = [at for at, thing in enumerate(picture.things) if name in (thing.shape, _name(thing))]
    match found, len(picture.things):
        case [], _:
            return f"There is no {name}."
        case [_], 1:
            return place(picture.centers[0])
        case [at], count:
            return _among(picture, at, count)
        case _:
            return ""


def _among(picture: Picture, at: int, count: int) -> str:
    """Place a thing by its neighbours in the row."""
    assert picture.scene
    names, relation = [f"the {_name(thing)}" for thing in picture.things], picture.scene.relation
    if 0 < at < count - 1:
        return _sentence(f"between {names[at - 1]} and {names[at + 1]}")
    return _sentence(f"{relation} {names[1]}" if at == 0 else f"{OPPOSITE[relation]} {names[at - 1]}")


def ask_neighbor(rng: random.Random, picture: Picture) -> Question | None:
    """Ask what is above, below, left of or right of a thing."""
    if not picture.scene or not picture.scene.relation:
        return None
    at = rng.randrange(len(picture.things))
    thing = picture.things[at]
    alike = [other for other in picture.things if other.shape == thing.shape]
    if sum(_name(other) == _name(thing) for other in alike) > 1:
        return None
    name = rng.choice((thing.shape, _name(thing))) if len(alike) == 1 else _name(thing)
    true = picture.scene.relation
    sides = {OPPOSITE[true]: picture.things[at + 1 :], true: picture.things[:at]}
    relation = rng.choice([side for side, there in sides.items() if there] if rng.random() < 0.75 else list(OPPOSITE))
    there = sides.get(relation, ())
    side = relation if relation in ("above", "below") else f"to the {relation}"
    wordings = (f"What is {relation} the {name}?", f"What is {side} the {name}?", f"What's {relation} the {name}?",
                f"Which shape is {relation} the {name}?", f"What do you see {relation} the {name}?")  # fmt: skip
    answer = _sentence(_listed([f"a {_name(other)}" for other in there])) if there else "Nothing."
    return _ask(rng, "neighbor", wordings, answer)


def ask_presence(rng: random.Random, picture: Picture) -> Question:
    """Ask whether something is there."""
    if rng.random() < 0.15:
        return _ask_print_presence(rng, picture)
    thing = rng.choice(picture.things) if picture.things else Thing(rng.choice(COLORS), rng.choice(SHAPES))
    if rng.random() < 0.5:
        kind = rng.random()
        color = rng.choice(COLORS) if kind < 0.6 else thing.color
        shape = rng.choice(SHAPES) if kind > 0.4 else thing.shape
        thing = Thing(color, shape)
    name = rng.choice((thing.shape, _name(thing)))
    there = any(name in (found.shape, _name(found)) for found in picture.things)
    a = english(f"a {name}")
    wordings = (f"Is there {a}?", f"Do you see {a}?", f"Is there {a} in the picture?", f"Can you see {a}?",
                f"Does the image show {a}?", f"Is {a} in the image?")  # fmt: skip
    return _ask(rng, "presence", wordings, "Yes." if there else "No.")


def _ask_print_presence(rng: random.Random, picture: Picture) -> Question:
    what, there = rng.choice(
        (
            ("any text", picture.printed),
            ("a number", picture.number),
            ("a word", picture.word),
            ("text", picture.printed),
        )
    )
    wordings = (f"Is there {what}?", f"Do you see {what}?", f"Is there {what} in the picture?", f"Can you see {what}?",
                f"Does the image show {what}?", f"Is there {what} in the image?")  # fmt: skip
    return _ask(rng, "presence", wordings, "Yes." if there else "No.")


def ask_size(rng: random.Random, picture: Picture) -> Question | None:
    """Ask which of two things is larger or smaller, where their sizes clearly differ."""
    if len(picture.things) != 2 or not picture.things[0].size or len({_name(thing) for thing in picture.things}) == 1:
        return None
    word = rng.choice(("large", "small"))
    thing = next(thing for thing in picture.things if thing.size == word)
    more = {"large": ("larger", "bigger", "largest"), "small": ("smaller", "smallest")}[word]
    wordings = tuple(f"{ask} is {way}?" for way in more for ask in ("Which shape", "Which one", "What", "Which object"))
    return _ask(rng, "size", wordings, _sentence(f"the {_name(thing)}"))


def ask_background(rng: random.Random, picture: Picture) -> Question:
    """Ask for the colour of the background."""
    wordings = (
        "What color is the background?", "What is the background color?", "Which color is the background?",
        "Background color?", "What color is behind it?", "Tell me the color of the background.",
        "What is the color of the background?", "On what background is it?",
    )  # fmt: skip
    return _ask(rng, "background", wordings, _sentence(picture.background))


def _ask_print(rng: random.Random, kind: str, wordings: Sequence[str], printed: str) -> Question:
    """Ask to read: the answer is what is printed and nothing else, no full stop either."""
    return Question(kind, loosen(rng, rng.choice(wordings)), printed or f"There is no {kind}.", printed)


def ask_number(rng: random.Random, picture: Picture) -> Question:
    """Ask for the printed number."""
    wordings = (
        "What number is this?", "What number do you see?", "What number is shown?", "Which number is this?",
        "What is the number?", "Read the number.", "What digit is this?", "Which digit do you see?",
        "What number is in the picture?", "What number is printed here?", "Which number does it show?",
    )  # fmt: skip
    return _ask_print(rng, "number", wordings, picture.number)


def ask_word(rng: random.Random, picture: Picture) -> Question:
    """Ask for the printed word."""
    wordings = (
        "What word is this?", "What word do you see?", "Which word is this?", "What is the word?", "Read the word.",
        "Which word is printed?", "What word is in the picture?", "Which word does it show?", "What word is shown?",
    )  # fmt: skip
    return _ask_print(rng, "word", wordings, picture.word)


def ask_text(rng: random.Random, picture: Picture) -> Question:
    """Ask for whatever is printed."""
    wordings = (
        "What does it say?", "What does the image say?", "What does the picture say?", "Read the text.", "Read this.",
        "What is written here?", "What text is in the image?", "Transcribe the text in this image.", "OCR this image.",
        "Extract the text from this image.", "What is printed here?", "What is written?", "What does it say here?",
        "What is the text?", "Read the text in this image.", "What does this say?", "Read it.", "What text do you see?",
        "Write down all text in this image exactly as it stands, line by line. Answer with the text only.",
        "Write down all text in this image exactly as it stands, line by line. Answer with the text only.",
    )  # fmt: skip
    return _ask_print(rng, "text", wordings, picture.printed)


def ask_ink(rng: random.Random, picture: Picture) -> Question:
    """Ask for the colour of the printed number or word."""
    what, there = rng.choice((("number", picture.number), ("word", picture.word), ("text", picture.printed)))
    if picture.printed and rng.random() < 0.7:
        what, there = picture.kind, picture.printed
    wordings = (f"What color is the {what}?", f"Which color is the {what}?", f"What is the color of the {what}?",
                f"In what color is the {what} printed?", f"Tell me the color of the {what}.")  # fmt: skip
    return _ask(rng, "ink", wordings, _sentence(picture.ink) if there else f"There is no {what}.")


def ask_blank(rng: random.Random, picture: Picture) -> Question:
    """Ask whether there is anything at all."""
    wordings = ("Is this image blank?", "Is the image blank?", "Is the picture empty?", "Is this picture empty?",
                "Is this a blank image?", "Is the screenshot empty?", "Is it blank?", "Is the page blank?")  # fmt: skip
    return _ask(rng, "blank", wordings, "No." if picture.things or picture.printed else "Yes.")


Asker = Callable[[random.Random, Picture], Question | None]
ABOUT_SHAPES: tuple[Asker, ...] = (
    ask_color, ask_color, ask_shape, ask_count, ask_where, ask_where, ask_neighbor, ask_presence, ask_size,
    ask_background,
)  # fmt: skip
ABOUT_PRINTS: tuple[Asker, ...] = (ask_text, ask_text, ask_text, ask_number, ask_word, ask_ink, ask_background)
ABOUT_ANYTHING: tuple[Asker, ...] = (
    ask_color, ask_shape, ask_count, ask_where, ask_presence, ask_background, ask_number, ask_word, ask_text, ask_ink,
    ask_blank,
)  # fmt: skip


def question(rng: random.Random, picture: Picture) -> Question:
    """Draw a question that has one right answer, most often one that suits the picture."""
    while True:
        suited = ABOUT_SHAPES if picture.things else ABOUT_PRINTS if picture.printed else ABOUT_ANYTHING
        asker = rng.choice(suited if rng.random() < 0.8 else ABOUT_ANYTHING)
        if asked := asker(rng, picture):
            return asked


def caption(rng: random.Random, picture: Picture) -> Question:
    """Ask for the caption."""
    return Question("caption", caption_prompt(rng), picture.caption, picture.printed)


def reading(rng: random.Random, picture: Picture) -> Question:
    """Ask for what is printed."""
    return ask_text(rng, picture)


def text_corpus(rng: random.Random, pictures: Sequence[Picture]) -> list[str]:
    """Collect every kind of text the model meets, for its tokenizer; what it only spells is left out."""
    asked = [make(rng, picture) for picture in pictures for make in (caption, question, question)]
    texts = Counter(text for one in asked for text in (one.text, one.answer.replace(one.spelled or "\n", "")))
    fixed = (*CAPTION_PROMPTS, *OTHER_PROMPTS, *SYSTEM_PROMPTS, NO_PICTURE, " ".join(sorted(world_words())))
    return [*fixed * 20, *texts.elements()]
