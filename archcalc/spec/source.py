"""Text → tree: values that know their line and column, in the document that they are of."""

import re
from typing import TypeAlias

from archcalc.errors import Location, Problem

MAX_NUMBER = 10**18

_BREAK = "\r\n|[\n\r]"
"""What ends a line for YAML 1.2; `str.splitlines` takes more characters for that."""
SURROGATES = r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
"""What JSON writes for a character beyond 16 bits."""


class Scalar:
    """A single value: null, true, false, a number or a string, and the text it was written as."""

    __slots__ = ("column", "document", "line", "size", "text", "value")

    def __init__(
        self, value: bool | int | float | str | None, text: str, document: "Document", line: int, column: int
    ) -> None:
        self.value, self.text, self.size = value, text, 1
        self.document, self.line, self.column = document, line, column


class SequenceNode:
    """A list of trees."""

    __slots__ = ("column", "document", "items", "line", "size")

    def __init__(self, document: "Document", line: int, column: int) -> None:
        self.items: list[Tree] = []
        self.document, self.line, self.column, self.size = document, line, column, 1


class MappingNode:
    """Trees by key, in the order of the text; `keys` holds the place of each key."""

    __slots__ = ("column", "document", "items", "keys", "line", "size")

    def __init__(self, document: "Document", line: int, column: int) -> None:
        self.items: dict[str, Tree] = {}
        self.keys: dict[str, Scalar] = {}
        self.document, self.line, self.column, self.size = document, line, column, 1


Tree: TypeAlias = Scalar | SequenceNode | MappingNode


class Document:
    """A spec's text, under the name it goes by in messages, which show its lines unless `is_private`."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.is_private = False
        self._lines: list[str] | None = None
        self.tree: Tree | None = None
        """What the text was read as beforehand, if it was."""
        self.has_pairs = False
        """Whether surrogate pairs of JSON were read as one escape each, two characters shorter."""

    def locate(self, line: int, column: int) -> Location:
        """The place at 1-based `line` and `column`, with that line's text."""
        if self.is_private:
            return Location(self.name, line, column)
        if self._lines is None:
            self._lines = lines_of(self.text)
        text = re.sub(_BREAK, "", self._lines[line - 1]) if line <= len(self._lines) else ""
        if self.has_pairs:
            for pair in re.finditer(SURROGATES, text):
                column += 2 * (pair.start() + 1 < column)
        return Location(self.name, line, column, text)

    def problem(self, message: str, hint: str | None = None) -> Problem:
        """A problem of the text as a whole, placed at its beginning."""
        return Problem(message, self.locate(1, 1), hint)


def lines_of(text: str) -> list[str]:
    r"""The lines of a text as YAML counts them, each with what ends it.

    >>> lines_of("a: 1\r\nb: 2\u2028c: \x1c")
    ['a: 1\r\n', 'b: 2\u2028c: \x1c']
    """
    ends = [found.end() for found in re.finditer(_BREAK, text)]
    starts = [0, *ends]
    return [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True) if start < end]


def line_words(tree: Tree, seen_from: str) -> str:
    """The place of a tree, for a message about the file of the name `seen_from`."""
    file = tree.document.name
    return f"line {tree.line}" if file == seen_from else f"{file}, line {tree.line}"


def problem_at(tree: Tree, message: str, hint: str | None = None) -> Problem:
    """A problem at the place of a tree, in the document that it is of."""
    return Problem(message, tree.document.locate(tree.line, tree.column), hint)


def parse(document: Document) -> tuple[Tree, list[Problem]]:
    """The tree of a document's text, and the duplicate keys in it.

    Raises SpecError at the first place where the text is no YAML, or goes beyond a limit.

    >>> tree, problems = parse(Document("net.yaml", "input: [3, 010, 1e3]"))
    >>> [item.value for item in tree.items["input"].items], problems
    ([3, 10, 1000], [])
    """
    if document.tree is not None:
        return document.tree, []
    from archcalc.spec.composer import compose  # only here: PyYAML takes a fifth of the time that a table takes

    return compose(document)
