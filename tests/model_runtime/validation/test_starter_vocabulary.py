"""What the starters do not know is told with the answer, never guessed in silence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.tools.describe_image import PROMPTS
from model_runtime.catalog.builtin_models import REAL_MODELS, STARTER_MODELS
from model_runtime.catalog.model import Model
from model_runtime.media.types import Audio, ImageData
from model_runtime.requests import Chat, GenerateImage, Message, Request, Speak, Task, Transcribe
from model_runtime.validation.starter_vocabulary import (
    STARTER_SCOPES,
    WORDS_FILE,
    read_known_words,
    starter_warnings,
    unknown_words,
)
from starter_world import grammar

DIGITS = frozenset("0123456789")
KNOWN = DIGITS | {"a", "red", "circle", "circles", "what", "is", "it", "do", "can", "the", "in", "how", "many"}
WARNING_CHARACTERS = 300
"""What an MCP result leaves of a warning."""
WHITE = ImageData(2, 2, b"\xff" * 12)
STARTERS = {model.name: model for model in STARTER_MODELS}


def said(request: Request, task: Task, words: str, tmp_path: Path) -> tuple[str, ...]:
    """The warnings of a starter that knows these words."""
    (tmp_path / WORDS_FILE).write_text("\n".join(words.split()), encoding="utf-8")
    return starter_warnings(request, task, Model("a-starter", task, "", "", starter=True), {"model": tmp_path})


def look(*texts: str) -> Chat:
    """A question about a white picture."""
    return Chat("vlm-starter", (Message("user", (WHITE, *texts)),))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("What is it?", ()),
        ("a GIRAFFE, in the sunset: a giraffe", ("giraffe", "sunset")),
        ("What's it? It isn’t a circle. Don't! Can't!", ()),
        ("how many circles; the circle's", ()),
        ("42 circles in 2026", ()),
        ("is as us", ("as", "us")),
        ("un cercle rouge, 빨간 원", ("un", "cercle", "rouge", "빨간", "원")),
        ("?!… 🦒", ()),
    ],
)
def test_unknown_words_are_found_whatever_their_form(text: str, unknown: tuple[str, ...]) -> None:
    assert unknown_words(text, KNOWN) == unknown


def test_numbers_are_unknown_to_a_starter_without_digits() -> None:
    assert unknown_words("3 red circles", KNOWN - DIGITS) == ("3",)


@given(st.text(max_size=60))
def test_every_text_can_be_searched(text: str) -> None:
    assert set(unknown_words(text, KNOWN)).isdisjoint(KNOWN)


@pytest.mark.promise("starters:unknown-words-told")
@pytest.mark.parametrize(
    ("request_", "task", "beyond"),
    [
        (look("A giraffe?"), Task.VISION, "vlm-fast"),
        (Chat("m", (Message("user", ("A giraffe?",)),)), Task.TEXT, "llm-fast"),
        (GenerateImage("m", "a giraffe", 64, 64, 1), Task.IMAGE, "image-fast"),
        (Transcribe("m", Audio(16_000, b""), prompt="Giraffe"), Task.TRANSCRIPTION, "stt-fast"),
        (Speak("m", "giraffe"), Task.SPEECH, "tts-fast"),
    ],
)
def test_a_warning_says_what_why_and_which_model_knows_more(
    request_: Request, task: Task, beyond: str, tmp_path: Path
) -> None:
    (warning,) = said(request_, task, "a circle", tmp_path)

    assert warning == (
        f'Outside what the starter model knows: "giraffe". a-starter {STARTER_SCOPES[task].capability}; '
        f"for anything else use {beyond}: senses pull {beyond}"
    )
    assert beyond in {model.name for model in REAL_MODELS if model.task is task}


def test_a_long_list_of_unknown_words_is_cut_to_what_a_result_shows(tmp_path: Path) -> None:
    words = [f"word{letter * 30}" for letter in "abcdefgh"]

    warnings = [said(look(" ".join(words)), task, "circle", tmp_path)[0] for task in STARTER_SCOPES]

    assert all(" and 4 more." in warning for warning in warnings)
    assert max(map(len, warnings)) < WARNING_CHARACTERS


def test_only_the_last_question_is_judged(tmp_path: Path) -> None:
    messages = (
        Message("system", ("You are a sommelier.",)),
        Message("user", (WHITE, "Which wine?")),
        Message("assistant", ("A red circle.",)),
        Message("user", ("a circle",)),
        Message("assistant", ("Bordeaux.",)),
    )

    assert said(Chat("m", messages), Task.VISION, "a circle", tmp_path) == ()


def test_known_words_a_starter_without_a_list_and_real_models_bring_no_warning(tmp_path: Path) -> None:
    real = Model("mine", Task.IMAGE, "mflux", "")

    assert said(look("a circle"), Task.VISION, "a circle", tmp_path) == ()
    assert starter_warnings(GenerateImage("mine", "a giraffe", 64, 64, 1), Task.IMAGE, real, {"model": tmp_path}) == ()
    (tmp_path / WORDS_FILE).unlink()
    assert starter_warnings(look("a giraffe"), Task.VISION, STARTERS["vlm-starter"], {"model": tmp_path}) == ()


@pytest.mark.parametrize("name", ["vlm-starter", "image-starter", "stt-starter"])
def test_every_starter_with_a_list_knows_the_words_of_the_world(name: str) -> None:
    known = read_known_words(Path(STARTERS[name].path))
    phrases = (
        *grammar.COLORS,
        *grammar.SHAPES,
        *grammar.SIZES,
        *grammar.RELATIONS,
        *grammar.COUNTS.values(),
        "a on background",
    )
    needed = grammar.words() if name == "stt-starter" else set(" ".join(phrases).split())

    assert needed <= known
    assert all(word == word.lower().strip() for word in known)


@pytest.mark.parametrize("task", ["describe", "caption", "alt_text", "ocr"])
def test_what_our_own_tool_asks_is_known(task: str) -> None:
    assert unknown_words(PROMPTS[task], read_known_words(Path(STARTERS["vlm-starter"].path))) == ()
