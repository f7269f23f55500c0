"""Translate pydantic's validation errors for the users of both APIs."""

from pydantic import ValidationError

from model_runtime.errors import InvalidInput


def to_invalid_input(error: ValidationError) -> InvalidInput:
    """Return an error about the first invalid field, with its value if that is short."""
    first = error.errors(include_url=False)[0]
    param = _field_path(first["loc"])
    if first["type"] == "missing":
        return InvalidInput(f"{param} is missing.", param=param, code="missing_required_parameter")
    code = first["type"] if first["type"].startswith("unsupported_") else "invalid_value"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    quoted = _quote_value(first.get("input"))
    return InvalidInput(f"{param or 'The body'}{quoted}: {_lowercase_first(message)}.", param=param or None, code=code)


def _quote_value(value: object) -> str:
    """Return " is VALUE" for a short value; a long one may be an encoded image."""
    is_short = (isinstance(value, (int, float)) and abs(value) < 1e15) or (isinstance(value, str) and len(value) < 60)
    return f" is {value!r}" if is_short else ""


def _field_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _lowercase_first(message: str) -> str:
    """Return a sentence of pydantic as it stands after a colon, unless it starts with an acronym."""
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
