"""The vocabulary across the process boundary: frozen dataclasses and errors as a plain header and raw blobs.

A dataclass becomes a map with its class's name under `TYPE`. Bytes never pass through msgpack: each bytes field
leaves its length in the header and its content in the body, in the order of the walk. An error crosses as the names
of its classes, its message and its plain facts, so that the daemon rebuilds the nearest class it knows.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from model_runtime import errors, events, loading, requests
from model_runtime.errors import SensesError
from model_runtime.ipc import messages
from model_runtime.ipc.framing import Header
from model_runtime.media import types

TYPE_KEY = "$type"
BYTES_KEY = "$bytes"
ERROR_KEY = "$error"

PlainValue = str | int | float | bool | None
SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types that are the same on both sides; checked here without a call, since every token passes."""


class CodecError(Exception):
    """A value cannot cross the boundary, or what came is not a value we know."""


def _dataclasses_of(*modules: object) -> dict[str, type]:
    found: dict[str, type] = {}
    for module in modules:
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if hasattr(kind, "__dataclass_fields__"):
                found[name] = kind
    return found


MESSAGE_CLASSES = _dataclasses_of(types, requests, events, loading, messages)
FIELD_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in MESSAGE_CLASSES.values()}
ERROR_CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SensesError)
}


def encode(value: object) -> tuple[Header, list[bytes]]:
    """Return the header and the blobs of a message, request, event or result.

    Raises:
        CodecError: the value holds something that is not of the vocabulary.
    """
    blobs: list[bytes] = []
    header = _to_plain(value, blobs)
    if not isinstance(header, dict):
        raise CodecError(f"A {type(value).__name__} cannot be a message.")
    return header, blobs


def decode(header: Header, body: memoryview) -> Any:
    """Return the value that `encode` turned into this header and body.

    Raises:
        CodecError: they do not describe a value of the vocabulary, or the body's length is wrong.
    """
    bodies = _BlobReader(body)
    value = _from_plain(header, bodies)
    bodies.finish()
    return value


def _to_plain(value: object, blobs: list[bytes]) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        blobs.append(value)
        return {BYTES_KEY: len(value)}
    names = FIELD_NAMES.get(type(value))
    if names is not None:
        return _dataclass_to_plain(value, names, blobs)
    if isinstance(value, tuple):
        return [item if type(item) in SCALARS else _to_plain(item, blobs) for item in value]
    if isinstance(value, Mapping):
        return _mapping_to_plain(value, blobs)
    if isinstance(value, SensesError):
        return _error_to_plain(value)
    raise CodecError(f"A {type(value).__name__} cannot cross the process boundary.")


def _dataclass_to_plain(value: object, names: Sequence[str], blobs: list[bytes]) -> dict[str, object]:
    plain: dict[str, object] = {TYPE_KEY: type(value).__name__}
    for name in names:
        field = getattr(value, name)
        plain[name] = field if type(field) in SCALARS else _to_plain(field, blobs)
    return plain


def _mapping_to_plain(mapping: Mapping[Any, object], blobs: list[bytes]) -> dict[str, object]:
    wrong = [key for key in mapping if not isinstance(key, str) or key.startswith("$")]
    if wrong:
        raise CodecError(f"{wrong[0]!r} cannot be a key across the process boundary.")
    return {key: _to_plain(item, blobs) for key, item in mapping.items()}


def _error_to_plain(error: SensesError) -> dict[str, object]:
    family = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, SensesError)]
    facts: dict[str, object] = {name: fact for name, fact in vars(error).items() if isinstance(fact, PlainValue)}
    facts |= {"code": error.code, "param": error.param, "retry_after_seconds": error.retry_after_seconds}
    return {ERROR_KEY: family, "message": error.message, "facts": facts}


class _BlobReader:
    """Hands out the blobs of a body, one after the other."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._taken = 0

    def take(self, count: object) -> bytes:
        if not isinstance(count, int) or not 0 <= count <= len(self._content) - self._taken:
            raise CodecError(f"{count} bytes are announced where {len(self._content) - self._taken} are left.")
        start, self._taken = self._taken, self._taken + count
        return self._content[start : self._taken].tobytes()

    def finish(self) -> None:
        if self._taken != len(self._content):
            raise CodecError(f"{len(self._content) - self._taken} bytes of the body belong to nothing.")


def _from_plain(plain: object, body: _BlobReader) -> Any:
    if isinstance(plain, list):
        return tuple([item if type(item) in SCALARS else _from_plain(item, body) for item in plain])
    if not isinstance(plain, dict):
        return plain
    if TYPE_KEY in plain:
        return _dataclass_from_plain(plain, body)
    if BYTES_KEY in plain:
        return body.take(plain[BYTES_KEY])
    if ERROR_KEY in plain:
        return _error_from_plain(plain)
    return {key: _from_plain(item, body) for key, item in plain.items()}


def _dataclass_from_plain(plain: dict[str, object], body: _BlobReader) -> Any:
    kind = MESSAGE_CLASSES.get(str(plain[TYPE_KEY]))
    if kind is None:
        raise CodecError(f"{plain[TYPE_KEY]!r} is not a class of the vocabulary.")
    values: dict[str, Any] = {}
    for name, item in plain.items():
        if name != TYPE_KEY:
            values[name] = item if type(item) in SCALARS else _from_plain(item, body)
    try:
        return kind(**values)
    except TypeError as error:
        raise CodecError(f"{kind.__name__} cannot be made of {sorted(plain)}: {error}.") from error


def _error_from_plain(plain: dict[str, Any]) -> SensesError:
    try:
        kind = next((ERROR_CLASSES[name] for name in plain[ERROR_KEY] if name in ERROR_CLASSES), SensesError)
        error = kind.__new__(kind, str(plain["message"]))
        for name, fact in plain["facts"].items():
            setattr(error, name, fact)
    except (AttributeError, KeyError, TypeError) as problem:
        raise CodecError(f"An error came in a form nobody knows: {problem}.") from problem
    return error
