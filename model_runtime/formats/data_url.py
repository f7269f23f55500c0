"""Decode media that is embedded in text: base64 and data: URLs."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from model_runtime.errors import InvalidInput


def decode_base64(text: str, *, param: str) -> bytes:
    """Decode base64, also with URL-safe letters, with line breaks and without padding.

    Raises:
        InvalidInput: `text` is not base64; the error names `param`.
    """
    normalized = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(normalized + "=" * (-len(normalized) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{param} is not valid base64: {error}. Encode the file again.", param=param) from error


def decode_data_url(url: str, *, param: str) -> bytes:
    """Return the bytes of a data: URL (RFC 2397). Its media type is ignored.

    Raises:
        InvalidInput: the URL has no comma, or its data is not base64; the error names `param`.
    """
    header, comma, payload = url.partition(",")
    if not comma:
        reason = f"{param} is a data: URL without a comma before its data. Send data:<type>;base64,<data>."
        raise InvalidInput(reason, param=param)
    if not header.lower().rstrip().endswith(";base64"):
        return unquote_to_bytes(payload)
    text = unquote_to_bytes(payload).decode("ascii", "replace") if "%" in payload else payload
    return decode_base64(text, param=param)
