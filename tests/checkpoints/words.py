"""A small byte-level BPE tokenizer in the files that transformers reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

SENTENCES = (
    "The quick brown fox jumps over the lazy dog. A red square on a white background.",
    "Describe this image in one sentence. What is in the picture? How many objects are there?",
    "You are a helpful assistant. system user assistant model image video question answer",
    '{"name": "value", "count": 12, "items": ["a", "b"], "ok": true, "none": null}',
    "0 1 2 3 4 5 6 7 8 9 10 11 12 2025 2026 http https www com localhost",
)


def train_tokenizer(size: int, special: Sequence[str]) -> Tokenizer:
    """Return a tokenizer of exactly `size` ids whose first ids are the special tokens, in order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[_special(token) for token in special],
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 20, trainer)
    return _padded_vocabulary(tokenizer, size)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, kind: str = "PreTrainedTokenizerFast", **entries: Any) -> None:
    """Write tokenizer.json and tokenizer_config.json; `entries` are eos_token, chat_template and the like."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": kind, "clean_up_tokenization_spaces": False, "model_max_length": 32768, **entries}
    write_json(folder / "tokenizer_config.json", config)


def id_of(tokenizer: Tokenizer, token: str) -> int:
    """Return the id of a token that is in the vocabulary."""
    return int(tokenizer.get_vocab()[token])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file the way published ones look."""
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _padded_vocabulary(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """Add words that no text encodes to, so that every id a random model emits has a text."""
    content = json.loads(tokenizer.to_str())
    content["model"]["vocab"] |= {f"w{index}": index for index in range(tokenizer.get_vocab_size(), size)}
    return Tokenizer.from_str(json.dumps(content))


def _special(token: str) -> AddedToken:
    return AddedToken(token, special=True, normalized=False)
