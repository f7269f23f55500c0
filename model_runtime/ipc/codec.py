"""Encode messages (frozen dataclasses and errors) as a header of plain values and a body of raw blobs.

A dataclass becomes a map with the name of its class under `TYPE_KEY`, without fields that have their default: most of
those of a request and of each token. The header holds the length of each bytes field; its content goes into the body, in
order, and never through msgpack. An error becomes the names of its classes, its message and its scalar attributes; the
receiver rebuilds the nearest class that it knows.
"""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from model_runtime import errors, events, loading, requests
from model_runtime.errors import SensesError
from model_runtime.ipc import messages
from model_runtime.ipc.framing import Header
from model_runtime.measuring import results
from model_runtime.media import types

TYPE_KEY = "$type"
BYTES_KEY = "$bytes"
ERROR_KEY = "$error"

PlainValue = str | int | float | bool | None
SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types that need no encoding. The hot paths test for them inline: a call for each field of each token would be slow."""


class CodecError(Exception):
    """A value cannot be encoded, or a header and body cannot be decoded."""


def _dataclasses_of(*modules: object) -> dict[str, type]:
    found: dict[str, type] = {}
    for module in modules:
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if hasattr(kind, "__dataclass_fields__"):
                found[name] = kind
    return found


MESSAGE_CLASSES = _dataclasses_of(types, results, requests, events, loading, messages)
FIELDS = {kind: tuple((field.name, field.default) for field in fields(kind)) for kind in MESSAGE_CLASSES.values()}
"""Class of messages → the name and the default of each field; `MISSING` is no default."""
ERROR_CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SensesError)
}


def encode(value: object) -> tuple[Header, list[bytes]]:
    """Return the header and the blobs of a message, request, event or result.

    Raises:
        CodecError: the value, or one inside it, is not of a class that messages may hold.
    """
    blobs: list[bytes] = []
    header = _to_plain(value, blobs)
    if not isinstance(header, dict):
        raise CodecError(f"A {type(value).__name__} cannot be a message; a dataclass or an error can.")
    return header, blobs


def decode(header: Header, body: memoryview) -> Any:
    """Return the value that `encode` turned into this header and body.

    Raises:
        CodecError: the header describes no known message, or the body has another length than it says.
    """
    unread = [body]
    value = _from_plain(header, unread)
    if unread[0]:
        raise CodecError(f"The body has {len(unread[0])} of {len(body)} bytes more than the header claims.")
    return value


def _to_plain(value: object, blobs: list[bytes]) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        blobs.append(value)
        return {BYTES_KEY: len(value)}
    known = FIELDS.get(type(value))
    if known is not None:
        plain: dict[str, object] = {TYPE_KEY: type(value).__name__}
        for name, default in known:
            field = getattr(value, name)
            if field is not default:
                plain[name] = field if type(field) in SCALARS else _to_plain(field, blobs)
        return plain
    if isinstance(value, tuple):
        return [item if type(item) in SCALARS else _to_plain(item, blobs) for item in value]
    if isinstance(value, Mapping):
        return _mapping_to_plain(value, blobs)
    if isinstance(value, SensesError):
        return _error_to_plain(value)
    raise CodecError(f"A {type(value).__name__} cannot be sent to another process.")


def _mapping_to_plain(mapping: Mapping[Any, object], blobs: list[bytes]) -> dict[str, object]:
    for key in mapping:
        if not isinstance(key, str) or key.startswith("$"):
            raise CodecError(f"{key!r} cannot be a key in a message; use a string that does not start with '$'.")
    return {key: _to_plain(item, blobs) for key, item in mapping.items()}


def _error_to_plain(error: SensesError) -> dict[str, object]:
    class_names = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, SensesError)]
    facts: dict[str, object] = {name: fact for name, fact in vars(error).items() if isinstance(fact, PlainValue)}
    facts |= {"code": error.code, "param": error.param, "retry_after_seconds": error.retry_after_seconds}
    return {ERROR_KEY: class_names, "message": error.message, "facts": facts}


def _from_plain(plain: object, unread: list[memoryview]) -> Any:
    """Return the decoded value; `unread` holds the rest of the body, which loses the blobs of the value."""
    if isinstance(plain, list):
        return tuple([item if type(item) in SCALARS else _from_plain(item, unread) for item in plain])
    if not isinstance(plain, dict):
        return plain
    if BYTES_KEY in plain:
        return _read_blob(plain[BYTES_KEY], unread)
    if ERROR_KEY in plain:
        return _error_from_plain(plain)
    values: dict[str, Any] = {}
    for name, item in plain.items():
        values[name] = item if type(item) in SCALARS else _from_plain(item, unread)
    if TYPE_KEY not in values:
        return values
    kind = MESSAGE_CLASSES.get(str(values.pop(TYPE_KEY)))
    if kind is None:
        raise CodecError(f"{plain[TYPE_KEY]!r} is not the name of a message class.")
    try:
        return kind(**values)
    except TypeError as error:
        raise CodecError(f"{kind.__name__} cannot be built from {sorted(plain)}: {error}.") from error


def _read_blob(count: object, unread: list[memoryview]) -> bytes:
    body = unread[0]
    if not isinstance(count, int) or not 0 <= count <= len(body):
        raise CodecError(f"The header claims a blob of {count} bytes; the body has {len(body)} left.")
    unread[0] = body[count:]
    return body[:count].tobytes()


def _error_from_plain(plain: dict[str, Any]) -> SensesError:
    try:
        kind = next((ERROR_CLASSES[name] for name in plain[ERROR_KEY] if name in ERROR_CLASSES), SensesError)
        error = kind.__new__(kind, str(plain["message"]))
        for name, fact in plain["facts"].items():
            setattr(error, name, fact)
    except (AttributeError, KeyError, TypeError) as problem:
        raise CodecError(f"An error message is malformed: {problem!r}.") from problem
    return error
