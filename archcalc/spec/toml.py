"""TOML → tree: values that know the line and column of their keys."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from archcalc.errors import Problem, SettingError, SpecError
from archcalc.spec.files import MAX_BYTES, read_file
from archcalc.spec.source import Document, MappingNode, Scalar, SequenceNode, Tree


def read_toml(path: Path) -> tuple[Document, dict[str, Any]]:
    """The text of a configuration, and what it holds, floats as `Written`; raises SettingError where it is no TOML."""
    try:
        document = read_file(os.path.relpath(path))
    except SpecError as error:
        hint = f"a configuration must be UTF-8 text of at most {MAX_BYTES // 2**20} MiB"
        raise SettingError(error.problems[0].message, hint=hint) from None
    return document, parsed_toml(document)


def parsed_toml(document: Document) -> dict[str, Any]:
    """What a text holds, floats as `Written`; raises SettingError where it is no TOML."""
    try:
        return tomllib.loads(document.text, parse_float=Written)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = map(int, where.groups()) if where else (1, 1)
        message = f"not valid TOML: {re.sub(r' *[(]at .*', '', str(error))}"
        raise SettingError(problems=[Problem(message, document.locate(line, column))]) from None


def tree_of(document: Document, whole: dict[str, Any]) -> Tree:
    r"""The tree of what a text holds.

    >>> document = Document("net.toml", "[a]\nb = 1.50")
    >>> found = tree_of(document, parsed_toml(document)).items["a"].items["b"]
    >>> found.text, found.line, found.column
    ('1.50', 2, 1)
    """
    return _Trees(document).tree(whole, ())


class Written(str):
    """A float of TOML by its text, so that it stays exact."""

    __slots__ = ()


class _Trees:
    """Makes trees of what TOML holds, each at the line and column of its key."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.places = _places(document.text)

    def tree(self, value: Any, path: tuple[str, ...]) -> Tree:
        line, column = self._place(path)
        if isinstance(value, dict):
            mapping = MappingNode(self.document, line, column)
            for key, child in value.items():
                inside = (*path, key)
                mapping.items[key] = self.tree(child, inside)
                mapping.keys[key] = Scalar(key, key, self.document, *self._place(inside))
            return mapping
        if isinstance(value, list):
            sequence = SequenceNode(self.document, line, column)
            sequence.items += [self.tree(item, path) for item in value]
            return sequence
        known = value if isinstance(value, bool | int | str) and not isinstance(value, Written) else str(value)
        return Scalar(known, str(value), self.document, line, column)

    def _place(self, path: tuple[str, ...]) -> tuple[int, int]:
        """Where a key stands; for one in an inline table, after its table's key in the same line."""
        if path in self.places or not path:
            return self.places.get(path, (1, 1))
        line, column = self._place(path[:-1])
        text = self.document.locate(line, column).text
        inside = re.compile(rf"""(?<![\w-])["']?{re.escape(path[-1])}["']?\s*=""").search(text, column)
        return line, inside.start() + 1 if inside else column


_HEADER = re.compile(r"\s*\[\[?\s*(?P<keys>[^#]*?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<keys>(?:"(?:[^"\\]|\\.)*"|'[^']*'|[\w.\s-])+?)\s*=""")


def _places(text: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """The line and column of each table's header and of each key that begins a line.

    TOML's own parser keeps no positions. This is a glance at the lines: one inside a string of several lines may be
    taken for a key, and then only a message points at a line near the right one.
    """
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        header, key = _HEADER.fullmatch(line), _KEY.match(line)
        found = header or key
        path = _keys(found["keys"]) if found else ()
        if found is None or not path:
            continue
        path = path if header else (*table, *path)
        table = path if header else table
        for length in range(1, len(path) + 1):
            places.setdefault(path[:length], (number, found.start("keys") + 1))
    return places


def _keys(text: str) -> tuple[str, ...]:
    """The keys of a dotted key, as TOML itself reads it."""
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path = []
    while isinstance(value, dict):
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)
