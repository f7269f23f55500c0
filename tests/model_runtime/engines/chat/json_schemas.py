"""JSON schemas of every kind, all of which leave something open."""

from typing import Any

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
    "required": ["name", "children"],
    "additionalProperties": False,
}


def record(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


JSON_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": record(title=record(text={"type": "string"}), body={"type": "string"}),
    "short text": record(word={"type": "string", "minLength": 3, "maxLength": 8}),
    "long text": record(word={"type": "string", "minLength": 30}, next={"type": "string"}),
    "pattern": record(code={"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}, note={"type": "string"}),
    "format": record(day={"type": "string", "format": "date"}, id={"type": "string", "format": "uuid"}),
    "enum": record(color={"enum": ["red", "green", None, 7]}, size={"const": "large"}),
    "number": record(price={"type": "number"}, count={"type": "integer"}),
    "bounds": record(
        age={"type": "integer", "minimum": 18, "exclusiveMaximum": 100}, half={"type": "number", "multipleOf": 0.5}
    ),
    "null": record(nothing={"type": "null"}, perhaps={"type": ["string", "null"]}),
    "boolean": record(yes={"type": "boolean"}),
    "list": record(names={"type": "array", "items": {"type": "string"}}),
    "bounded list": record(names={"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 5}),
    "list of lists": record(
        rows={"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}}
    ),
    "list of objects": record(lines={"type": "array", "items": record(item={"type": "string"}, n={"type": "integer"})}),
    "tuple": record(
        place={"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}], "items": False, "minItems": 2}
    ),
    "anyOf": {"anyOf": [record(cat={"type": "string"}), record(dogs={"type": "array", "items": {"type": "string"}})]},
    "oneOf": {
        "oneOf": [
            record(kind={"const": "circle"}, radius={"type": "number"}),
            record(kind={"const": "text"}, text={"type": "string"}),
        ]
    },
    "allOf": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
        ]
    },
    "$ref": {
        "$defs": {"name": {"type": "string"}},
        **record(first={"$ref": "#/$defs/name"}, last={"$ref": "#/$defs/name"}),
    },
    "recursion": {"$defs": {"tree": TREE}, "$ref": "#/$defs/tree"},
    "recursion by choice": {
        "$defs": {
            "node": record(value={"type": "number"}, next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
        },
        "$ref": "#/$defs/node",
    },
    "optional": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array"}}},
    "map": {"type": "object", "additionalProperties": {"type": "string"}},
    "patternProperties": {
        "type": "object",
        "patternProperties": {"^x-": {"type": "string"}},
        "additionalProperties": False,
    },
    "anything": {},
}
