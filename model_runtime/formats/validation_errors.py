"""What is wrong with the fields of a call, in one sentence for both faces."""

from pydantic import ValidationError

from model_runtime.errors import InvalidInput


def to_invalid_input(error: ValidationError) -> InvalidInput:
    """Say what is wrong with the first field that is, with its value where that is short."""
    first = error.errors(include_url=False)[0]
    param = _field_path(first["loc"])
    if first["type"] == "missing":
        return InvalidInput(f"{param} is missing.", param=param, code="missing_required_parameter")
    code = first["type"] if first["type"].startswith("unsupported_") else "invalid_value"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    quoted = _quote_value(first.get("input"))
    return InvalidInput(f"{param or 'The body'}{quoted}: {_lowercase_first(message)}.", param=param or None, code=code)


def _quote_value(value: object) -> str:
    """Quote a value in the message, where it is short and no part of a picture."""
    is_short = (isinstance(value, (int, float)) and abs(value) < 1e15) or (isinstance(value, str) and len(value) < 60)
    return f" is {value!r}" if is_short else ""


def _field_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _lowercase_first(message: str) -> str:
    """Pydantic's sentences begin in upper case; after a colon ours do not, unless it is a name."""
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
