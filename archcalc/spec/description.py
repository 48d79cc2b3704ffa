"""What a layer kind says of itself: its docstring's sections, with its fields' types and defaults."""

import itertools
import textwrap
from typing import Any

from archcalc.docstrings import docstring
from archcalc.layers import Layer, kinds
from archcalc.spec.fields import describe, field_types, required_fields
from archcalc.spec.source import Scalar, Tree
from archcalc.spec.standard import standard_blocks

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
        "operation": cls.operation.value,
        "summary": text.split("\n\n")[0].replace("\n", " "),
        "text": text,
        "fields": fields,
        "rules": rules,
        "torch": cls.torch.path,
    }


def describe_block(name: str) -> dict[str, Any]:
    """All that is to be said of a block that every spec may call: the same keys, and its layers as they are written.

    >>> describe_block("squeeze_excitation")["fields"][0]["required"]
    True
    """
    block = standard_blocks()[name]
    first = block.tree.line - 1  # the line of its name
    after = itertools.takewhile(lambda line: line.startswith("    "), block.tree.document.text.splitlines()[first:])
    return {
        "kind": name,
        "operation": "block",
        "summary": block.title,
        "text": block.title,
        "fields": [
            {"name": param, "type": "a value", "required": tree is None, "default": _written(tree), "meaning": ""}
            for param, tree in block.params.items()
        ],
        "inputs": list(block.inputs),
        "layers": textwrap.dedent("\n".join(line for line in after if "title:" not in line)),
    }


def _written(tree: Tree | None) -> Any:
    return tree.value if isinstance(tree, Scalar) else None


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
    return docstring(cls).split(">>>")[0].splitlines()


def _field_meanings(body: str) -> dict[str, str]:
    pairs = (line.strip().partition(": ") for line in body.splitlines())
    return {name: meaning for name, colon, meaning in pairs if colon}
