"""Parse the address of a file: a path, `file://` or `data:`."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from model_runtime.errors import InvalidInput
from model_runtime.formats.data_url import decode_data_url

MAX_DATA_URI_CHARS = 11_000_000
"""8 MB of media in base64."""
MAX_PATH_CHARS = 4096
"""PATH_MAX of Linux; a longer address is probably base64 without its `data:` prefix."""


def is_data_uri(address: str) -> bool:
    """Return whether an address carries its bytes."""
    return address[:5].lower() == "data:"


def decode_data_uri(address: str, param: str) -> bytes:
    """Return the bytes of a `data:` address.

    Raises:
        InvalidInput: the address is too long or malformed.
    """
    if len(address) > MAX_DATA_URI_CHARS:
        raise InvalidInput(
            f"{param} is a data: address of {len(address)} characters; it may hold at most 8 MB. "
            "Pass larger media as a path.",
            param=param,
        )
    return decode_data_url(address, param=param)


def parse_path(address: str, param: str) -> Path:
    """Return the path, maybe relative, of a path or a `file://` address.

    Raises:
        InvalidInput: the address is no path.
    """
    if "\0" in address or not address.strip():
        raise InvalidInput(f"{param} is empty or holds a NUL character; pass the path of a file.", param=param)
    if address.startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost"):
            raise InvalidInput(
                f"{address} names another machine; only local files can be read. Copy the file here.", param=param
            )
        return Path(unquote(parts.path))
    if len(address) > MAX_PATH_CHARS:
        raise InvalidInput(
            f"{param} has {len(address)} characters and is not a path. Pass a path, or base64 as data:<type>;base64,…",
            param=param,
        )
    return Path(address).expanduser()
