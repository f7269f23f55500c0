"""Parse the address of a file: a path, `file://` or `data:`."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from model_runtime.errors import InvalidInput
from model_runtime.formats.data_url import decode_data_url

MAX_DATA_URI_CHARS = 11_000_000
"""8 MB of media in base64."""
MAX_PATH_CHARS = 4096
"""PATH_MAX of Linux; a longer address is probably base64 without its `data:` prefix."""
MAX_NAME_BYTES = 255
"""NAME_MAX of Linux, and of APFS in UTF-8."""


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
        InvalidInput: the address is no path, or holds a name that no file can have.
    """
    if "\0" in address or not address.strip():
        raise InvalidInput(f"{param} is empty or holds a NUL character; pass the path of a file.", param=param)
    if address.startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost"):
            raise InvalidInput(
                f"{address} names another machine; only local files can be read. Copy the file here.", param=param
            )
        return _with_short_names(Path(unquote(parts.path)), param)
    if len(address) > MAX_PATH_CHARS:
        raise InvalidInput(
            f"{param} has {len(address)} characters and is not a path. Pass a path, or base64 as data:<type>;base64,…",
            param=param,
        )
    return _with_short_names(Path(address).expanduser(), param)


def _with_short_names(path: Path, param: str) -> Path:
    longest_bytes = max((len(name.encode("utf-8", "surrogatepass")) for name in path.parts), default=0)
    if longest_bytes > MAX_NAME_BYTES:
        raise InvalidInput(
            f"A name in {param} has {longest_bytes} bytes; the name of a file or folder has at most {MAX_NAME_BYTES}. "
            "Shorten it.",
            param=param,
            code="name_too_long",
        )
    return path
