"""Prompts are encoded once while they are in use, and never pile up."""

import mlx.core as mx
import pytest

from model_runtime.engines.image.prompt_cache import PromptEmbedding, PromptEmbeddingCache

pytestmark = pytest.mark.engines


class CountingEncoder:
    """Encodes a prompt as its length and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> PromptEmbedding:
        self.asked.append(prompt)
        return (mx.array(len(prompt)),)


def test_a_prompt_in_use_is_encoded_once() -> None:
    encoder = CountingEncoder()
    prompts = PromptEmbeddingCache(encoder)

    lengths = [prompts.get_or_encode(prompt)[0].item() for prompt in ("a star", "a heart", "a star")]

    assert lengths == [6, 7, 6]
    assert encoder.asked == ["a star", "a heart"]


def test_only_the_last_few_are_kept() -> None:
    encoder = CountingEncoder()
    prompts = PromptEmbeddingCache(encoder, max_prompts=2)

    for prompt in ("one", "two", "one", "three", "one", "two"):
        prompts.get_or_encode(prompt)

    assert encoder.asked == ["one", "two", "three", "two"]
