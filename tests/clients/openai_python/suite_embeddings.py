"""Embeddings."""

import math

import openai
import pytest

from tests.clients.openai_python.sdk import client, lenient

ASK = {"model": "embedder", "encoding_format": "float"}


def length(vector: list[float]) -> float:
    """Return the Euclidean norm."""
    return math.sqrt(sum(value * value for value in vector))


def test_a_text_has_a_vector_of_length_one() -> None:
    answer = client.embeddings.create(**ASK, input="a red circle")

    assert length(answer.data[0].embedding) == pytest.approx(1, abs=1e-3)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


def test_texts_have_vectors_in_their_order() -> None:
    both = client.embeddings.create(**ASK, input=["a red circle", "forty two"])
    one = client.embeddings.create(**ASK, input="forty two")

    assert [item.index for item in both.data] == [0, 1]
    assert both.data[1].embedding == pytest.approx(one.data[0].embedding, abs=1e-3)


def test_floats_are_those_of_base64() -> None:
    """The SDK asks for base64 by itself and decodes it afterwards, so that its strict validation sees no list."""
    coded = lenient.embeddings.create(model="embedder", input="a red circle").data[0].embedding
    plain = client.embeddings.create(**ASK, input="a red circle").data[0].embedding

    assert coded == pytest.approx(plain, abs=1e-6)


def test_dimensions_shorten_a_vector_that_stays_of_length_one() -> None:
    vector = client.embeddings.create(**ASK, input="a red circle", dimensions=8).data[0].embedding

    assert len(vector) == 8
    assert length(vector) == pytest.approx(1, abs=1e-3)


def test_too_many_dimensions_are_refused() -> None:
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(**ASK, input="x", dimensions=100_000)
