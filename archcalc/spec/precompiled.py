"""What is known of the shipped specs beforehand: their names and trees, so that most runs do without PyYAML.

`python -m archcalc.shipped.precompile` writes them beside this file. A tree has a checksum of the text that it was
read from: if the text has changed, it is parsed again.
"""

import os
import zlib
from typing import Any

import msgspec

from archcalc.spec.source import Document, MappingNode, Scalar, SequenceNode, Tree

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trees")
NAMES = "names.json"


def shipped_files() -> dict[str, str]:
    """The file of each shipped architecture, in the folder of shipped specs.

    >>> shipped_files()["vgg16"]
    'vgg.yaml'
    """
    with open(os.path.join(FOLDER, NAMES), "rb") as file:
        return msgspec.json.decode(file.read(), type=dict[str, str])


def tree_of(document: Document, file: str) -> Tree | None:
    """The tree of a shipped spec; None where its text is no longer the one that the tree was made of."""
    try:
        with open(os.path.join(FOLDER, tree_file(file)), "rb") as packed:
            made_of, tree = msgspec.json.decode(packed.read())
    except FileNotFoundError:
        return None
    return _tree(tree, document) if made_of == checksum(document.text) else None


def tree_file(file: str) -> str:
    """The file that holds the tree of a spec's file."""
    return f"{os.path.splitext(file)[0]}.json"


def checksum(text: str) -> int:
    """A number that changes with a text. It need not withstand attacks: who can change a spec can change its tree."""
    return zlib.crc32(text.encode())


def packed(document: Document, tree: Tree) -> bytes:
    """A document's tree as `tree_of` reads it."""
    return msgspec.json.encode([checksum(document.text), _packed(tree)]) + b"\n"


def _packed(tree: Tree) -> list[Any]:
    """Line and column, then a scalar's text (and its value, where that is another), items, or keys and items."""
    place: list[Any] = [tree.line, tree.column]
    if isinstance(tree, Scalar):
        return [*place, tree.text] if tree.value == tree.text else [*place, tree.text, tree.value]
    if isinstance(tree, SequenceNode):
        return [*place, list(map(_packed, tree.items))]
    return [*place, list(map(_packed, tree.keys.values())), list(map(_packed, tree.items.values()))]


def _tree(data: list[Any], document: Document) -> Tree:
    line, column, content, *more = data
    if isinstance(content, str):
        return _scalar(data, document)
    if not more:
        sequence = SequenceNode(document, line, column)
        sequence.items = [_tree(item, document) for item in content]
        return sequence
    mapping = MappingNode(document, line, column)
    for key, item in zip(content, more[0], strict=True):
        scalar = mapping.keys[key[2]] = _scalar(key, document)
        mapping.items[scalar.text] = _tree(item, document)
    return mapping


def _scalar(data: list[Any], document: Document) -> Scalar:
    line, column, text, *value = data
    return Scalar(value[0] if value else text, text, document, line, column)
