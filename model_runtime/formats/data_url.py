"""Media that come inside a text: base64 and data: addresses, as clients really write them."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from model_runtime.errors import InvalidInput


def decode_base64(text: str, *, param: str) -> bytes:
    """Decode base64 in any of its spellings: URL-safe letters, line breaks, missing padding. Raises `InvalidInput`."""
    normalized = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(normalized + "=" * (-len(normalized) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{param} holds base64 that cannot be decoded: {error}.", param=param) from error


def decode_data_url(url: str, *, param: str) -> bytes:
    """Return the bytes of a data: URL (RFC 2397), whatever type it claims. Raises `InvalidInput`."""
    header, comma, payload = url.partition(",")
    if not comma:
        raise InvalidInput(
            f"{param} is a data: URL without a comma before its data; it needs the form data:<type>;base64,<data>.",
            param=param,
        )
    if header.lower().rstrip().endswith(";base64"):
        return decode_base64(
            unquote_to_bytes(payload).decode("ascii", "replace") if "%" in payload else payload, param=param
        )
    return unquote_to_bytes(payload)
