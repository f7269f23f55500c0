"""How short an answer to a JSON schema can be."""

from collections.abc import Mapping
from typing import Any

ANYTHING_BYTES = 4
"""Such as null."""
MAX_OPEN_REFERENCES = 64
"""References within what references name: what is deeper counts as anything."""


def shortest_bytes(schema: Any) -> int:
    """Return about how many bytes the shortest JSON of a schema has. Unknown keywords and a wrong form count nothing."""
    return _ShortestJson(schema).of(schema)


class _ShortestJson:
    """Measures the parts of one schema, each reference once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._referred: dict[str, int] = {}
        self._open_references = 0

    def of(self, schema: Any) -> int:
        if not isinstance(schema, Mapping):
            return ANYTHING_BYTES
        if "const" in schema:
            return len(repr(schema["const"]))
        if choices := _list(schema.get("enum")):
            return min(len(repr(choice)) for choice in choices)
        choices = [_list(schema.get(name)) for name in ("anyOf", "oneOf")]
        return (
            sum(min(map(self.of, branches)) for branches in choices if branches)
            + sum(map(self.of, _list(schema.get("allOf"))))
            + self._of_reference(schema.get("$ref"))
            + self._of_object(schema)
            + _count(schema, "minItems") * (2 + self.of(schema.get("items")))
            + _count(schema, "minLength")
            + 2
        )

    def _of_object(self, schema: Mapping[str, Any]) -> int:
        properties = schema.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        return sum(len(str(name)) + 6 + self.of(known.get(str(name))) for name in _list(schema.get("required")))

    def _of_reference(self, reference: object) -> int:
        """Return the size of what a reference of the form #/a/b names; it may lead back to itself."""
        if not isinstance(reference, str):
            return 0
        if reference not in self._referred and self._open_references < MAX_OPEN_REFERENCES:
            self._referred[reference] = ANYTHING_BYTES
            self._open_references += 1
            self._referred[reference] = self.of(self._resolve(reference))
            self._open_references -= 1
        return self._referred.get(reference, ANYTHING_BYTES)

    def _resolve(self, reference: str) -> Any:
        found = self._root
        for part in filter(None, reference.removeprefix("#").split("/")):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(schema: Mapping[str, Any], name: str) -> int:
    value = schema.get(name)
    return value if isinstance(value, int) and value > 0 else 0
