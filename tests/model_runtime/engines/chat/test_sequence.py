"""Tokens become text one by one, whole characters only, for every kind of tokenizer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from model_runtime.engines.chat.answer_format import AnswerFormat
from model_runtime.engines.chat.answer_plan import AnswerPlan
from model_runtime.engines.chat.sampling import TokenSampler, greedy
from model_runtime.engines.chat.sequence import FinishReason, Prompt, SequenceState
from model_runtime.events import ChatResult, Progress, TextDelta
from model_runtime.requests import Tool
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.chat.tool_families import format_of
from tests.model_runtime.engines.step_engine_driver import chat

pytestmark = pytest.mark.engines

PIECES = ("▁a", "▁red", "▁circle", "▁", "a", "on", ".", "▁▁", "\n", "é")


def with_spaces_inside(*, strip: bool) -> Tokenizer:
    """A tokenizer as SentencePiece makes them: ▁ is a space, and rare characters are bytes."""
    texts = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
    vocabulary = {text: index for index, text in enumerate(texts)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))  # noqa: S106
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if strip else steps)
    return tokenizer


TOKENIZERS = {
    "bytes": train_tokenizer(600, ("<end>",)),
    "spaces": with_spaces_inside(strip=False),
    "spaces, first one stripped": with_spaces_inside(strip=True),
}


def row(tokenizer: Tokenizer, max_tokens: int = 50) -> SequenceState:
    """A row that has read its prompt."""
    return SequenceState(1, chat("hi", max_tokens=max_tokens), Prompt([1, 2]), TokenSampler(greedy), tokenizer)


def tokens_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """Spell a text, with bytes where the vocabulary has no piece."""
    known = tokenizer.get_vocab()
    if "<0x00>" not in known:
        return list(tokenizer.encode(text).ids)
    spelled = (character.replace(" ", "▁") for character in text)
    return [
        token
        for piece in spelled
        for token in ([known[piece]] if piece in known else [known[f"<0x{byte:02X}>"] for byte in piece.encode()])
    ]


@pytest.mark.promise("chat:whole-characters")
@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=st.text(st.sampled_from("a on.é字😀\n"), min_size=1, max_size=20))
def test_pieces_are_whole_characters_and_add_up_to_the_text(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    tokens = tokens_of(tokenizer, text)
    writing = row(tokenizer, len(tokens))

    shown = [
        outcome for index, token in enumerate(tokens) for outcome in writing.append_token(token, last(index, tokens))
    ]

    pieces = [outcome.text for outcome in shown if isinstance(outcome, TextDelta)]
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
    assert "".join(pieces) == tokenizer.decode(tokens)


def test_half_a_character_at_the_end_is_not_shown() -> None:
    tokenizer = TOKENIZERS["bytes"]
    first_byte = tokenizer.encode("字").ids[0]

    outcomes = row(tokenizer).append_token(first_byte, "length")

    assert outcomes == [ChatResult("", "length", 2, 1)]


def test_the_end_token_is_neither_shown_nor_counted() -> None:
    writing = row(TOKENIZERS["bytes"])
    writing.append_token(TOKENIZERS["bytes"].encode(" red").ids[0], None)

    outcomes = writing.append_token(0, "stop")

    assert outcomes == [ChatResult(" red", "stop", 2, 1)]


def test_a_long_call_that_is_told_at_its_end_shows_progress_meanwhile() -> None:
    tokenizer = TOKENIZERS["bytes"]
    call = '<tool_call>{"name": "look", "arguments": {"at": "' + "x" * 80
    asked = chat("hi", max_tokens=500, tools=(Tool("look"),))
    plan = AnswerPlan(AnswerFormat(tools=format_of("json_tools")))
    writing = SequenceState(1, asked, Prompt([1, 2]), TokenSampler(greedy), tokenizer, (), plan)

    outcomes = [outcome for token in tokenizer.encode(call).ids for outcome in writing.append_token(token, None)]

    assert outcomes[0] == Progress("tokens", 32, 500)
    assert all(isinstance(outcome, Progress) for outcome in outcomes)


def last(index: int, tokens: list[int]) -> FinishReason | None:
    """The finish reason of a row that runs out of tokens."""
    return "length" if index == len(tokens) - 1 else None
