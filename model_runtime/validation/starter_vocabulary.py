"""Warn about words that a starter model does not know, because it guesses their meaning.

The folder of a starter may have a `words.txt` with the words it knows, in lower case, one per line. A starter without
this file gives no warnings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from model_runtime.catalog.foreign_files import read_text
from model_runtime.catalog.model import Model
from model_runtime.requests import Chat, Embed, GenerateImage, Request, Speak, Task, Transcribe

WORDS_FILE = "words.txt"
MAX_SHOWN_WORDS = 4
MAX_SHOWN_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class StarterScope:
    """What a starter can do, and the model to use for anything else."""

    capability: str
    alternative: str


STARTER_SCOPES: Mapping[Task, StarterScope] = {
    Task.VISION: StarterScope("understands coloured shapes, printed words and numbers", "vlm-fast"),
    Task.TEXT: StarterScope("answers about pictures of coloured shapes, words and numbers", "llm-fast"),
    Task.IMAGE: StarterScope("draws one to three coloured shapes on a plain background", "image-fast"),
    Task.TRANSCRIPTION: StarterScope("writes down shapes, numbers, letters and everyday commands", "stt-fast"),
    Task.SPEECH: StarterScope("speaks short English sentences", "tts-fast"),
}

_TERM_PATTERN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")
_MIN_PLURAL_LETTERS = 4
"""Shorter words that end in s are not plurals: "is" is not the plural of the letter i."""


def starter_warnings(request: Request, task: Task, model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Return a warning if `request` has words that the starter `model` does not know; () for other models."""
    if not model.starter:
        return ()
    unknown = unknown_words(_requested_text(request), read_known_words(folders["model"]))
    return (_format_warning(unknown, model.name, STARTER_SCOPES[task]),) if unknown else ()


def unknown_words(text: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return the words and numbers of `text` that are not in `known`, in lower case; () if `known` is empty.

    Plurals and contractions of known words ("circles", "what's", "don't") and numbers of known digits are known.
    """
    terms = dict.fromkeys(split_terms(text)) if known else ()
    return tuple([term for term in terms if term not in known and not _is_known(term, known)])


def split_terms(text: str) -> list[str]:
    """Return the words and numbers of a text in lower case."""
    return _TERM_PATTERN.findall(text.lower().replace("’", "'"))


def read_known_words(folder: Path) -> frozenset[str]:
    """Return the words that the starter in `folder` knows; empty if it has no words.txt."""
    file = folder / WORDS_FILE
    return _read_words(file, file.stat().st_mtime_ns) if file.exists() else frozenset()


@lru_cache(maxsize=16)
def _read_words(file: Path, modified_ns: int) -> frozenset[str]:
    return frozenset(read_text(file).split())


def _is_known(term: str, known: frozenset[str]) -> bool:
    if term.isdecimal():
        return term in known or known.issuperset(term)
    stem, _, suffix = term.partition("'")
    forms = {term, stem, f"{stem}s", stem.removesuffix("n") if suffix == "t" else stem}
    if len(stem) >= _MIN_PLURAL_LETTERS:
        forms |= {stem.removesuffix("s"), stem.removesuffix("es")}
    return not known.isdisjoint(forms)


def _requested_text(request: Request) -> str:
    """Return the text of a request; of a chat, that of its last user message."""
    match request:
        case Chat(messages=messages):
            last_message = next((message for message in reversed(messages) if message.role == "user"), messages[-1])
            return "\n".join([part for part in last_message.content if isinstance(part, str)])
        case GenerateImage(prompt=text) | Transcribe(prompt=text) | Speak(text=text):
            return text
        case Embed(texts=texts):
            return "\n".join(texts)


def _format_warning(unknown: tuple[str, ...], name: str, scope: StarterScope) -> str:
    shown = ", ".join(f'"{_truncate(word)}"' for word in unknown[:MAX_SHOWN_WORDS])
    more = len(unknown) - MAX_SHOWN_WORDS
    shown += f" and {more} more" if more > 0 else ""
    return (
        f"Outside what the starter model knows: {shown}. {name} {scope.capability}; "
        f"for anything else use {scope.alternative}: senses pull {scope.alternative}"
    )


def _truncate(word: str) -> str:
    return word if len(word) <= MAX_SHOWN_CHARACTERS else f"{word[: MAX_SHOWN_CHARACTERS - 1]}…"
