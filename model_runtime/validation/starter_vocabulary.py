"""Words outside the small world of a built-in model, told with its answer: it would guess, and silently.

A starter's folder may hold `words.txt`, the lower-case words its prompts may hold, one a line. A starter without the
file takes any word.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from model_runtime.catalog.model import Model
from model_runtime.requests import Chat, GenerateImage, Request, Speak, Task, Transcribe

WORDS = "words.txt"
SHOWN_WORDS = 4
SHOWN_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class World:
    """What a starter does with what it knows, and the model for the rest."""

    knows: str
    beyond: str


WORLDS: Mapping[Task, World] = {
    Task.VISION: World("understands coloured shapes, printed words and numbers", "vlm-fast"),
    Task.TEXT: World("answers about pictures of coloured shapes, words and numbers", "llm-fast"),
    Task.IMAGE: World("draws one to three coloured shapes on a plain background", "image-fast"),
    Task.TRANSCRIPTION: World("writes down shapes, numbers, letters and everyday commands", "stt-fast"),
    Task.SPEECH: World("speaks short English sentences", "tts-fast"),
}

_TERM = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+")
_PLURAL_LETTERS = 4
"""Shorter words that end in s are no plurals: "is" is not two of the letter i."""


def doubts(request: Request, task: Task, model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Warn where `request` holds words that the starter `model` does not know; other models know any. Reads a file."""
    if not model.starter:
        return ()
    unknown = unknown_words(_asked(request), known_words(folders["model"]))
    return (_warning(unknown, model.name, WORLDS[task]),) if unknown else ()


def unknown_words(text: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return the words and numbers of `text` that are not in `known`, in lower case; none where nothing is known.

    Plurals and contractions of known words are known ("circles", "what's", "don't"), and so are numbers whose digits
    are.
    """
    return tuple(term for term in dict.fromkeys(terms(text)) if not _is_known(term, known)) if known else ()


def terms(text: str) -> Iterable[str]:
    """Give the words and numbers of a text in lower case."""
    return (found[0].replace("’", "'") for found in _TERM.finditer(text.lower()))


def known_words(folder: Path) -> frozenset[str]:
    """Return the words of a starter, empty where its folder names none."""
    file = folder / WORDS
    return _read(file, file.stat().st_mtime_ns) if file.exists() else frozenset()


@lru_cache(maxsize=16)
def _read(file: Path, changed_at: int) -> frozenset[str]:
    return frozenset(file.read_text(encoding="utf-8").split())


def _is_known(term: str, known: frozenset[str]) -> bool:
    if term.isdecimal():
        return term in known or known.issuperset(term)
    stem, _, ending = term.partition("'")
    forms = {term, stem, f"{stem}s", stem.removesuffix("n") if ending == "t" else stem}
    if len(stem) >= _PLURAL_LETTERS:
        forms |= {stem.removesuffix("s"), stem.removesuffix("es")}
    return not known.isdisjoint(forms)


def _asked(request: Request) -> str:
    """What the caller wants now: of a chat its last question, whatever was said before or by whom."""
    match request:
        case Chat(messages=messages):
            asked = next((message for message in reversed(messages) if message.role == "user"), messages[-1])
            return "\n".join(part for part in asked.content if isinstance(part, str))
        case GenerateImage(prompt=text) | Transcribe(prompt=text) | Speak(text=text):
            return text


def _warning(unknown: tuple[str, ...], name: str, world: World) -> str:
    shown = ", ".join(f'"{_cut(word)}"' for word in unknown[:SHOWN_WORDS])
    more = len(unknown) - SHOWN_WORDS
    shown += f" and {more} more" if more > 0 else ""
    return (
        f"Outside what the starter model knows: {shown}. {name} {world.knows}; "
        f"for anything else use {world.beyond}: senses pull {world.beyond}"
    )


def _cut(word: str) -> str:
    return word if len(word) <= SHOWN_CHARACTERS else f"{word[: SHOWN_CHARACTERS - 1]}…"
