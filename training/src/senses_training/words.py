"""Which words a starter's prompts may hold: `words.txt` in its folder, by which the product warns about others."""

from collections.abc import Iterable
from pathlib import Path

from model_runtime.validation.starter_vocabulary import WORDS_FILE, split_terms
from senses_training import paths
from starter_world import grammar


def write_words(folder: Path, texts: Iterable[str]) -> None:
    """Write every word of `texts`, cut as the product cuts a prompt, one a line."""
    found = sorted({term for text in texts for term in split_terms(text)})
    (folder / WORDS_FILE).write_text("".join(f"{word}\n" for word in found), encoding="utf-8")


if __name__ == "__main__":  # the recogniser has no wordings of its own: it is told words to expect
    write_words(paths.STT, grammar.words())
