"""The lists of words and tokens that the product ships are those of the grammar that the starters learned."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from senses_training import paths
from senses_training.painter import prompts, tokenizer
from senses_training.recogniser import vocabulary
from senses_training.vision.wordings import wordings
from senses_training.words import write_words
from starter_world import grammar


@pytest.mark.parametrize(
    ("starter", "texts"), [(paths.STT, grammar.words), (paths.VLM, wordings), (paths.IMAGE, prompts.words)]
)
def test_a_starter_ships_the_words_that_it_was_taught(
    starter: Path, texts: Callable[[], Iterable[str]], tmp_path: Path
) -> None:
    write_words(tmp_path, texts())

    assert (tmp_path / "words.txt").read_text() == (starter / "words.txt").read_text()


def test_the_recogniser_has_a_token_for_every_word_of_the_world() -> None:
    assert grammar.words() <= vocabulary.WORDS.keys() | vocabulary.PIECES.keys()


def test_the_painter_ships_the_tokens_and_chat_template_that_it_was_taught_with(tmp_path: Path) -> None:
    tokenizer.save(tokenizer.train(seed=0), tmp_path)

    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert json.loads((tmp_path / name).read_text()) == json.loads((paths.IMAGE / "tokenizer" / name).read_text())
