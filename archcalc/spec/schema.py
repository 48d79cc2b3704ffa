"""The JSON Schema of a spec, for editors: generated from the registry, so that it knows every kind there is."""

from typing import Any

import msgspec

from archcalc.docstrings import docstring
from archcalc.layers import Layer, joins, kinds
from archcalc.spec.architecture import BLOCK_KEYS, TOP_LEVEL
from archcalc.spec.entry import COMMON_FIELDS, LAYER_FIELDS, STRUCTURE_FIELDS, STRUCTURES
from archcalc.spec.fields import required_fields

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def spec_schema(budget: dict[str, Any]) -> dict[str, Any]:
    """The schema of a spec; `budget` are the definitions of a budget and of what is in it.

    >>> sorted(spec_schema({"budget": {}})["properties"])[:4]
    ['blocks', 'budget', 'extends', 'input']
    """
    value = {"anyOf": [{"type": ["number", "boolean"]}, _ref("expression"), {"type": "array", "items": _ref("value")}]}
    top: dict[str, dict[str, Any]] = {
        "name": {"type": "string"},
        "title": {"type": "string"},
        "source": {"type": "string"},
        "extends": {"type": "string", "minLength": 1},
        "input": _ref("shape"),
        "inputs": {"type": "object", "additionalProperties": _ref("shape"), "minProperties": 1},
        "outputs": _ref("names"),
        "unused": _ref("names"),
        "vars": {"type": "object", "additionalProperties": {"anyOf": [_ref("value"), {"type": "null"}]}},
        "replace": {"type": "object", "additionalProperties": _ref("part")},
        "layers": _ref("layers"),
        "reduced": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
        "budget": _ref("budget"),
        "blocks": {"type": "object", "additionalProperties": _ref("block")},
        "variants": {"type": "object", "additionalProperties": {"anyOf": [_ref("variant"), {"type": "null"}]}},
    }
    block: dict[str, dict[str, Any]] = {
        "title": {"type": "string"},
        "params": {"type": "object", "additionalProperties": {"anyOf": [_ref("value"), {"type": "null"}]}},
        "inputs": _ref("names"),
        "outputs": _ref("names"),
        "layers": _ref("layers"),
    }
    return {
        "$schema": DIALECT,
        "title": "archcalc spec",
        "description": "A neural network as a list of layers, for archcalc.",
        "type": "object",
        "properties": {name: {"description": TOP_LEVEL[name], **schema} for name, schema in top.items()},
        "anyOf": [
            {"required": ["input", "layers"], "not": {"anyOf": [{"required": ["replace"]}, {"required": ["inputs"]}]}},
            {"required": ["inputs", "layers"], "not": {"anyOf": [{"required": ["replace"]}, {"required": ["input"]}]}},
            {"required": ["extends"]},
        ],
        "additionalProperties": False,
        "$defs": {
            "expression": {"type": "string", "description": "arithmetic over the vars, such as 4 * width"},
            "dimension": {"anyOf": [{"type": "integer", "minimum": 1}, _ref("expression")]},
            "shape": {"anyOf": [{"type": "array", "items": _ref("dimension"), "minItems": 1}, _ref("dimension")]},
            "names": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
                ]
            },
            "value": value,
            **_common(),
            "layers": {"type": "array", "items": _ref("entry"), "minItems": 1},
            "part": {"type": "array", "items": _ref("entry")},
            "block": {
                "type": "object",
                "properties": {name: {"description": BLOCK_KEYS[name], **part} for name, part in block.items()},
                "required": ["layers"],
                "additionalProperties": False,
            },
            **budget,
            "variant": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "input": top["input"],
                    "inputs": top["inputs"],
                    "budget": _ref("budget"),
                },
                "additionalProperties": _ref("value"),
            },
            "entry": {
                "anyOf": [
                    _bare_kinds(),
                    *(_entry(kind, cls) for kind, cls in kinds().items()),
                    *_structures(),
                    *_calls(),
                ]
            },
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _bare_kinds() -> dict[str, Any]:
    """The kinds that can be written as a single word, having no required field."""
    return {"enum": [kind for kind, cls in kinds().items() if not required_fields(cls)]}


def _entry(kind: str, cls: type[Layer]) -> dict[str, Any]:
    struct = msgspec.json.schema(cls)["$defs"][cls.__name__]
    fields = {name: _with_expressions(schema) for name, schema in struct["properties"].items()}
    body: dict[str, Any] = {
        "type": "object",
        "properties": {**fields, **{name: _ref(name) for name in LAYER_FIELDS}},
        "required": list(required_fields(cls)),
        "additionalProperties": False,
    }
    forms = [body]
    if fields and len(required_fields(cls)) <= 1:
        forms.append(next(iter(fields.values())))
    if not required_fields(cls):
        forms.append({"type": "null"})
    summary = docstring(cls).split("\n")[0]
    return {
        "type": "object",
        "properties": {kind: {"description": summary, "anyOf": forms}},
        "required": [kind],
        "additionalProperties": False,
    }


def _structures() -> list[dict[str, Any]]:
    join = {"type": "string", "enum": list(joins())}
    fields: dict[str, tuple[dict[str, Any], list[str]]] = {
        "residual": ({"main": _ref("layers"), "shortcut": _ref("part")}, ["main"]),
        "parallel": (
            {"branches": {"type": "array", "items": _ref("part"), "minItems": 2}, "join": join},
            ["branches", "join"],
        ),
        "sequence": ({"layers": _ref("layers")}, ["layers"]),
    }
    common = {name: _ref(name) for name in STRUCTURE_FIELDS}
    return [
        {
            "type": "object",
            "properties": {
                kind: {
                    "description": STRUCTURES[kind],
                    "type": "object",
                    "properties": {**properties, **common},
                    "required": required,
                    "additionalProperties": False,
                }
            },
            "required": [kind],
            "additionalProperties": False,
        }
        for kind, (properties, required) in fields.items()
    ]


def _calls() -> list[dict[str, Any]]:
    """Calls of the spec's own blocks, whose names and parameters a schema cannot know: any name that is no kind."""
    taken = [*kinds(), *STRUCTURES]
    arguments = {"type": "object", "properties": {name: _ref(name) for name in COMMON_FIELDS}}
    call = {"anyOf": [{**arguments, "additionalProperties": _ref("value")}, _ref("value"), {"type": "null"}]}
    return [
        {"type": "string", "not": {"enum": taken}},
        {
            "type": "object",
            "propertyNames": {"not": {"enum": taken}},
            "additionalProperties": call,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]


def _common() -> dict[str, Any]:
    names = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    schemas: dict[str, Any] = {
        "name": {"type": "string", "minLength": 1},
        "from": names,
        "repeat": {"anyOf": [{"type": "integer", "minimum": 0}, _ref("expression")]},
        "when": {"anyOf": [{"type": "boolean"}, _ref("expression")]},
        "train_only": {"anyOf": [{"type": "boolean"}, _ref("expression")]},
        "tied": {"type": "string", "minLength": 1},
        "first": {"type": "object", "additionalProperties": _ref("value")},
    }
    return {name: {"description": COMMON_FIELDS[name], **schema} for name, schema in schemas.items()}


def _with_expressions(schema: Any) -> Any:
    """The schema of a field, with an expression allowed wherever a number or flag is."""
    if isinstance(schema, list):
        return [_with_expressions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _with_expressions(value) if key in ("anyOf", "items") else value for key, value in schema.items()}
    if schema.get("type") not in ("integer", "number", "boolean"):
        return inner
    described = {key: inner.pop(key) for key in ("description", "default") if key in inner}
    return {**described, "anyOf": [inner, _ref("expression")]}
