"""Base64 and data: URLs as clients really write them."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import InvalidInput
from model_runtime.formats.data_url import decode_base64, decode_data_url


@given(st.binary(), st.booleans(), st.booleans(), st.booleans())
def test_base64_is_decoded_in_every_spelling(data: bytes, urlsafe: bool, padded: bool, broken: bool) -> None:
    text = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(data).decode()
    text = text if padded else text.rstrip("=")
    text = "\n".join(text[start : start + 7] for start in range(0, len(text), 7)) if broken else text

    assert decode_base64(text, param="p") == data


@given(st.text())
def test_any_text_is_decoded_or_refused(text: str) -> None:
    for decode in (decode_base64, decode_data_url):
        with suppress(InvalidInput):
            assert isinstance(decode(text, param="p"), bytes)


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:image/png;base64,aGk=", b"hi"),
        ("data:;base64,aGk", b"hi"),
        ("DATA:image/svg+xml;charset=utf-8;BASE64, aGk=\n", b"hi"),
        ("data:image/png;base64,aGk%3D", b"hi"),
        ("data:text/plain,h%69", b"hi"),
    ],
)
def test_a_data_url_is_opened_whatever_type_it_claims(url: str, data: bytes) -> None:
    assert decode_data_url(url, param="p") == data


@pytest.mark.parametrize("url", ["data:image/png;base64", "data:image/png;base64,h", "data:image/png;base64,ä"])
def test_a_broken_data_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="^p "):
        decode_data_url(url, param="p")
