"""What cannot be embedded is refused before anything is loaded."""

import pytest

from model_runtime.errors import InvalidInput
from model_runtime.requests import Embed
from model_runtime.validation.embedding import MAX_CHARACTERS, MAX_TEXTS, validate


@pytest.mark.parametrize("request_", [Embed("m", ("a",)), Embed("m", ("a",) * MAX_TEXTS, 2**16), Embed("m", (" ",))])
def test_what_can_be_embedded_passes(request_: Embed) -> None:
    validate(request_)


@pytest.mark.promise("embedding:bad-values-refused")
@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (Embed("m", ()), "texts", "0 texts were sent. Send 1 to 2048"),
        (Embed("m", ("a",) * (MAX_TEXTS + 1)), "texts", "2049 texts"),
        (Embed("m", ("a", "")), "texts", "Text 1 is empty"),
        (Embed("m", ("a", "\ud800")), "texts", "Text 1 has half of a character"),
        (Embed("m", ("a" * MAX_CHARACTERS, "b")), "texts", "2000001 characters; at most 2000000"),
        (Embed("m", ("a",), -1), "dimensions", "at least 1"),
    ],
)
def test_what_cannot_be_embedded_is_refused(request_: Embed, param: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        validate(request_)

    assert refused.value.param == param
