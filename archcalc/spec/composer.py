"""Text → tree: YAML 1.2 (and with it JSON) read into values that know their line and column.

Built on the events of PyYAML's C parser, not on its loaders, for three reasons: positions stay, YAML 1.1 readings
(`no` as false, `010` as eight) never happen, and limits hold while reading, so that no text can exhaust memory.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError
from archcalc.spec.source import (
    MAX_NUMBER,
    SURROGATES,
    Document,
    MappingNode,
    Scalar,
    SequenceNode,
    Tree,
    lines_of,
    problem_at,
)

MAX_NODES = 100_000
MAX_DEPTH = 64
_ONCE_BREAKS = "\x85\u2028\u2029"
"""What ended a line for YAML 1.1, and does so for the parser."""
_PRIVATE_USE = range(0xE000, 0xF900)

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASED = {"0x": 16, "0o": 8}
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def compose(document: Document) -> tuple[Tree, list[Problem]]:
    """The tree of a document's text, and the duplicate keys in it, as `parse` gives them."""
    text = document.text
    if text.lstrip().startswith("{"):
        text, pairs = re.subn(SURROGATES, _one_escape, text)
        document.has_pairs = pairs > 0
    loader = getattr(yaml, "CLoader", yaml.Loader)
    stand_ins = _stand_ins(text)
    try:
        composer = _Composer(document, loader(text.translate(stand_ins)), stand_ins)
        return composer.compose(), composer.problems
    except yaml.MarkedYAMLError as error:
        raise _yaml_error(document, error) from None
    except yaml.reader.ReaderError as error:
        raise _bad_character(document, error.character) from None
    except UnicodeEncodeError as error:  # half of a surrogate pair, which no file but an argument can hold
        raise _bad_character(document, ord(error.object[error.start])) from None


def resolve(text: str) -> bool | int | float | str | None:
    """What plain text means by the core schema of YAML 1.2; a number such as 1e6 is a whole one.

    >>> resolve("no"), resolve("010"), resolve("1e6"), resolve("0x10"), resolve("1.5"), resolve("~")
    ('no', 10, 1000000, 16, 1.5, None)
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "0123456789.+-" and len(text) <= 100:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            return _whole(text) if "e" in text.lower() and number.is_integer() and abs(number) <= MAX_NUMBER else number
        base = _BASED.get(text[:2])
        if base and re.fullmatch(r"[0-9a-fA-F]+" if base == 16 else r"[0-7]+", text[2:]):
            return int(text[2:], base)
    return text


def _whole(text: str) -> int | float:
    from decimal import Decimal  # only where a number has an exponent

    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else float(text)


class _Composer:
    """Makes a tree of the parser's events, with the limits held on the way."""

    def __init__(self, document: Document, parser: Any, stand_ins: dict[int, int]) -> None:
        self.document = document
        self.stood_for = {stand_in: character for character, stand_in in stand_ins.items()}
        self.next: Callable[[], Any] = parser.get_event
        self.anchors: dict[str, Tree | None] = {}
        self.size = 0
        self.problems: list[Problem] = []

    def compose(self) -> Tree:
        self.next()  # stream start
        if isinstance(self.next(), yaml.StreamEndEvent):
            message = f"{self.document.name} is empty"
            raise SpecError([Problem(message, hint="a spec needs at least `input:` and `layers:`")])
        tree = self._tree(self.next(), depth=0)
        self.next()  # document end
        event = self.next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error(
                event, "a second YAML document; a spec must be one", "remove the `---` line and what follows it"
            )
        return tree

    def _tree(self, event: Any, depth: int) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None and event.tag != "!":
            raise self._error(event, f"tag {event.tag!r} is not part of the spec language", "remove the tag")
        if depth > MAX_DEPTH:
            raise self._error(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor is not None:
            self.anchors[event.anchor] = None  # an alias to it from inside would be a cycle
        node = self._collection(event, depth)
        self._count(event, node.size if isinstance(node, Scalar) else 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _collection(self, event: Any, depth: int) -> Tree:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            text = event.value.translate(self.stood_for) if self.stood_for else event.value
            value = resolve(text) if event.implicit[0] else text
            if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
                raise self._error(event, f"number {text[:40]} is out of range", "numbers go up to 10^18")
            return Scalar(value, text, self.document, line, column)
        if isinstance(event, yaml.SequenceStartEvent):
            sequence = SequenceNode(self.document, line, column)
            for item in self._until(yaml.SequenceEndEvent):
                child = self._tree(item, depth + 1)
                sequence.items.append(child)
                sequence.size += child.size
            return sequence
        mapping = MappingNode(self.document, line, column)
        for item in self._until(yaml.MappingEndEvent):
            key = self._tree(item, depth + 1)
            child = self._tree(self.next(), depth + 1)
            self._add(mapping, key, child)
            mapping.size += key.size + child.size
        return mapping

    def _add(self, mapping: MappingNode, key: Tree, child: Tree) -> None:
        if not isinstance(key, Scalar):
            self._problem(key, "a key must be a word, not a list or mapping")
        elif key.text in mapping.items:
            first = mapping.keys[key.text].line
            self._problem(key, f"duplicate key {key.text!r} (first in line {first})", "remove one of them")
        else:
            mapping.items[key.text] = child
            mapping.keys[key.text] = key

    def _problem(self, key: Tree, message: str, hint: str | None = None) -> None:
        if len(self.problems) <= MAX_PROBLEMS:
            self.problems.append(problem_at(key, message, hint))

    def _alias(self, event: Any) -> Tree:
        node = self.anchors.get(event.anchor)
        if node is None:
            known = event.anchor in self.anchors
            raise self._error(event, f"alias *{event.anchor} {'contains itself' if known else 'has no anchor'}")
        self._count(event, node.size)
        return node

    def _count(self, event: Any, size: int) -> None:
        self.size += size
        if self.size > MAX_NODES:
            raise self._error(event, f"more than {MAX_NODES:,} values, aliases counted in full", "use `repeat`")

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := self.next(), end):
            yield event

    def _error(self, event: Any, message: str, hint: str | None = None) -> SpecError:
        mark = event.start_mark
        return SpecError([Problem(message, self.document.locate(mark.line + 1, mark.column + 1), hint)])


def _yaml_error(document: Document, error: Any) -> SpecError:
    mark = error.problem_mark or error.context_mark
    location = document.locate(mark.line + 1, mark.column + 1)
    if not location.text and error.context_mark:  # the end of the file: what was left open says more
        location = document.locate(error.context_mark.line + 1, error.context_mark.column + 1)
    context = f" ({error.context})" if error.context else ""
    tab = "\t" in location.text[: location.column]
    hint = "indent with spaces: YAML allows no tabs" if tab else "check indentation, brackets and colons around here"
    if re.search(r"\w\[", location.text[: location.column]):
        hint = "within {…} an expression with brackets or commas needs quotes, such as 'depths[2]'"
    return SpecError([Problem(f"not valid YAML: {error.problem}{context}", location, hint)])


def _bad_character(document: Document, code: int) -> SpecError:
    # The C parser counts bytes; the first such character is the one it stopped at.
    position = max(0, document.text.find(chr(code)))
    before = lines_of(document.text[:position] + "#")
    location = document.locate(len(before), len(before[-1]))
    return SpecError([Problem(f"not valid YAML: character #x{code:04x} is not allowed", location)])


def _stand_ins(text: str) -> dict[int, int]:
    """For each character of a text that ends lines in YAML 1.1 alone, another one of which the text has none."""
    found = [character for character in _ONCE_BREAKS if character in text]
    free = (code for code in _PRIVATE_USE if chr(code) not in text) if found else iter(())
    return {ord(character): stand_in for character, stand_in in zip(found, free, strict=False)}


def _one_escape(pair: re.Match[str]) -> str:
    """JSON writes a character beyond 16 bits as two escapes, YAML as one."""
    high, low = (int(half, 16) for half in pair.groups())
    return f"\\U{0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00):08x}"
