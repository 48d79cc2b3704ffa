"""The JSON Schema of budgets: generated from the registry of figures, so that it knows every metric there is."""

from typing import Any

from archcalc.budget import BUDGET_KEYS, LIMIT_KEYS, SETTING_KEYS
from archcalc.engine.conventions import CONVENTIONS
from archcalc.engine.figures import METRICS
from archcalc.units import BYTES_PER_ELEMENT

_LIMIT = {"$ref": "#/$defs/limit"}


def budget_definitions() -> dict[str, Any]:
    """The definitions of a budget and of a limit, for the JSON Schema of a spec.

    >>> list(budget_definitions()["budget"]["properties"])[:3]
    ['params', 'macs', 'flops']
    """
    limits = {name: {"description": words, **_LIMIT} for name, words in LIMIT_KEYS.items()}
    mapping = {"type": "object", "properties": limits, "minProperties": 1, "additionalProperties": False}
    given = [{"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}, _LIMIT]
    settings: dict[str, dict[str, Any]] = {
        "batch": {"type": "integer", "minimum": 1},
        "input": {"anyOf": [*given, {"type": "object", "additionalProperties": {"anyOf": given}, "minProperties": 1}]},
        "dtype": {"enum": list(BYTES_PER_ELEMENT)},
        "convention": {"enum": list(CONVENTIONS)},
    }
    keys: dict[str, dict[str, Any]] = {
        **{name: {"anyOf": [_LIMIT, mapping]} for name in METRICS},
        "settings": {
            "type": "object",
            "properties": {name: {"description": SETTING_KEYS[name], **part} for name, part in settings.items()},
            "additionalProperties": False,
        },
        "allow-unknown": {"type": "boolean"},
    }
    return {
        "budget": {
            "type": "object",
            "properties": {name: {"description": BUDGET_KEYS[name], **part} for name, part in keys.items()},
            "additionalProperties": False,
        },
        "limit": {"type": ["string", "integer", "number"], "description": "such as 60M, 1.5G or 512 MiB"},
    }
