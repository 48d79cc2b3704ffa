"""Which documents are specs, be they right or broken, in folders where YAML and JSON of others lie beside them.

The names of files say nothing, and `layers` and `extends` are keys of others, too: container manifests, styles of maps
and archcalc's own reports have layers, `tsconfig.json` and `.gitlab-ci.yml` extend. So the reader's tree decides.
"""

import os
import re
from collections.abc import Iterable

from archcalc.errors import SpecError
from archcalc.layers import kinds
from archcalc.layers.core.base import MAX_RANK
from archcalc.spec.architecture import TOP_LEVEL, is_report, read
from archcalc.spec.catalogue import FILE, MAX_EXTENDS, Reader, base_of, names
from archcalc.spec.ends import UNNAMED
from archcalc.spec.entry import STRUCTURES
from archcalc.spec.expand import expand
from archcalc.spec.files import read_plain_file
from archcalc.spec.source import Document, MappingNode, Scalar, SequenceNode, Tree, parse

_CONTENT = {"input", "inputs", "vars", "variants", "budget", "blocks", "replace", "layers"}
"""The keys of a spec that say more than how it is called."""
_KEY = re.compile(r"^(?P<before>[{ ]*[\"']?)(?P<key>\w+)[\"']?[ \t]*:", flags=re.MULTILINE)


def is_spec(document: Document, reader: Reader = read_plain_file) -> bool:
    """Whether a document is meant as a spec.

    It is where its `layers` are those of a network, or where it extends an architecture; `reader` gives what it
    extends. Mistakes take nothing away as long as the rest speaks for a spec: an unknown key beside an input and
    layers, an unknown kind beside known ones, a text that is no YAML, an input that is missing where nothing else is.

    >>> is_spec(Document("net.json", '{"input": [3], "layers": ["relu", {"linaer": 4}]}'))
    True
    >>> is_spec(Document("tsconfig.json", '{"extends": "./base.json", "compilerOptions": {}}'))
    False
    """
    return _is_spec(document, reader, MAX_EXTENDS)


def file_extended_by(document: Document) -> str | None:
    """The path of the file that a document extends, None where it extends a shipped architecture, or nothing."""
    if "extends" not in document.text and "\\" not in document.text:  # keys in quotes may be spelled by escapes
        return None
    try:
        tree, _ = parse(document)
    except SpecError:
        return None
    base = tree.items.get("extends") if isinstance(tree, MappingNode) else None
    return _file(base_of(document, base.text)) if isinstance(base, Scalar) and base.text else None


def _is_spec(document: Document, reader: Reader, most: int) -> bool:
    try:
        tree, _ = parse(document)
    except SpecError:
        return _looks_like_one(document.text)
    if not isinstance(tree, MappingNode) or is_report(tree):
        return False
    keys = tree.items.keys()
    is_plain = keys <= TOP_LEVEL.keys()
    base = tree.items.get("extends")
    extends = isinstance(base, Scalar) and bool(base.text)
    if keys & {"input", "inputs"} or extends:
        if _has_layers(tree, is_plain=is_plain):
            return True
    elif is_plain and _has_some_kind(tree):
        return _lacks_nothing_but_input(document)
    if not extends:
        return False
    assert isinstance(base, Scalar)
    return (is_plain and bool(keys & _CONTENT)) or _is_architecture(base_of(document, base.text), reader, most - 1)


def _has_layers(tree: MappingNode, *, is_plain: bool) -> bool:
    """Whether the `layers` of a mapping that has a beginning are those of a network."""
    if "layers" not in tree.items:
        return False
    entries = _entries(tree)
    return _has_known(tree, entries) or (is_plain and (not entries or any(_kind(entry) for entry in entries)))


def _has_some_kind(tree: MappingNode) -> bool:
    """Whether some layer is more than a word: a list of those may be anything."""
    return _has_known(tree, [entry for entry in _entries(tree) if isinstance(entry, MappingNode)])


def _has_known(tree: MappingNode, entries: Iterable[Tree]) -> bool:
    blocks = tree.items.get("blocks")
    known = {*kinds(), *STRUCTURES, *(blocks.items if isinstance(blocks, MappingNode) else ())}
    return any(_kind(entry) in known for entry in entries)


def _entries(tree: MappingNode) -> list[Tree]:
    layers = tree.items.get("layers")
    return layers.items if isinstance(layers, SequenceNode) else []


def _lacks_nothing_but_input(document: Document) -> bool:
    """Whether the reader misses an input alone: layers of others may have the names of kinds, but not their fields."""
    _, problems = expand(read(document), input={UNNAMED: (1,) * MAX_RANK})
    return len(problems) == 1


def _kind(entry: Tree) -> str | None:
    """The kind of a layer, known or not; None for what cannot be one."""
    if isinstance(entry, Scalar):
        return entry.value if isinstance(entry.value, str) else None
    return next(iter(entry.items)) if isinstance(entry, MappingNode) and len(entry.items) == 1 else None


def _file(base: str) -> str | None:
    """The path in what a spec extends; None for a name."""
    file = FILE.fullmatch(base)
    return file[1] if file else base if os.sep in base else None


def _is_architecture(base: str, reader: Reader, most: int) -> bool:
    path = _file(base)
    if path is None:
        return base in names()
    try:
        return most > 0 and _is_spec(reader(path), reader, most)
    except SpecError:
        return False


def _looks_like_one(text: str) -> bool:
    """Whether a text that is no YAML has the outermost keys of a spec, most of them no others'."""
    found = list(_KEY.finditer(text))
    keys = {match["key"] for match in found if len(match["before"]) == len(found[0]["before"])}
    known = keys & TOP_LEVEL.keys()
    return "layers" in keys and bool(keys & {"input", "inputs", "extends"}) and len(known) > len(keys - known)
