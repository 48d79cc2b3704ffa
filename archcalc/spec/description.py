"""What a layer kind says of itself: its docstring's sections, with its fields' types and defaults."""

import inspect
from typing import Any

from archcalc.layers import Layer, kinds
from archcalc.spec.fields import describe, field_types, required_fields

SECTIONS = ("Fields", "Shape", "Params", "Ops", "Raises", "Source")


def describe_kind(name: str) -> dict[str, Any]:
    """All that is to be said of a layer kind, from its class.

    >>> describe_kind("linear")["fields"][0]
    {'name': 'features', 'type': 'a whole number ≥ 1', 'required': True, 'default': None, 'meaning': 'how many outputs'}
    """
    cls = kinds()[name]
    text = _opening(cls)
    rules = sections(cls)
    meanings = _field_meanings(rules.pop("Fields", ""))
    required = required_fields(cls)
    defaults = dict(zip(cls.__struct_fields__[len(required) :], cls.__struct_defaults__, strict=True))
    fields = [
        {
            "name": field,
            "type": describe(type_),
            "required": field in required,
            "default": defaults.get(field),
            "meaning": meanings.get(field, ""),
        }
        for field, type_ in field_types(cls).items()
    ]
    return {
        "kind": name,
        "family": cls.family,
        "summary": text.split("\n\n")[0].replace("\n", " "),
        "text": text,
        "fields": fields,
        "rules": rules,
        "torch": cls.torch.path,
    }


def sections(cls: type[Layer]) -> dict[str, str]:
    """The sections of a kind's docstring, in order; what it leaves out is as in the class that it extends.

    >>> sections(kinds()["relu"])["Shape"], sections(kinds()["relu"])["Ops"]
    ('as the input', 'one comparison per element')
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        current = ""
        for line in _lines(base):
            heading, colon, rest = line.partition(":")
            if colon and heading in SECTIONS:
                current = heading
                found[current] = rest.strip()
            elif current:
                found[current] = f"{found[current]}\n{line}".strip()
    return {name: found[name] for name in SECTIONS if name in found}


def _opening(cls: type[Layer]) -> str:
    lines = _lines(cls)
    end = next((i for i, line in enumerate(lines) if line.partition(":")[0] in SECTIONS), len(lines))
    return "\n".join(lines[:end]).strip()


def _lines(cls: type) -> list[str]:
    """The lines of a docstring before its example."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "").split(">>>")[0].splitlines()


def _field_meanings(body: str) -> dict[str, str]:
    pairs = (line.strip().partition(": ") for line in body.splitlines())
    return {name: meaning for name, colon, meaning in pairs if colon}
