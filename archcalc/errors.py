"""One tree of user errors: every message says where, what, what was expected, and how to fix it.

This module imports nothing but the standard library, so that every other module can raise its errors.
"""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

EXCERPT_WIDTH = 96
MAX_PROBLEMS = 100
"""How many problems are shown: nobody reads more, and hints take time. One more is collected, to say that there is."""
MAX_MESSAGE = 600
MAX_CANDIDATES = 500


class Location(NamedTuple):
    """A place in a spec: 1-based `line` and `column`, with the `text` of that line for the excerpt."""

    file: str
    line: int
    column: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(NamedTuple):
    """One thing that is wrong, where it is, and how to fix it.

    >>> print(Problem("unknown kind 'cnov'", Location("net.yaml", 3, 5, "  - cnov: 64"), "did you mean conv?"))
    net.yaml:3:5: error: unknown kind 'cnov'
      3 |   - cnov: 64
        |     ^
      hint: did you mean conv?
    """

    message: str
    location: Location | None = None
    hint: str | None = None
    level: str = "error"

    def __str__(self) -> str:
        where = "" if self.location is None else f"{printable(str(self.location))}: "
        lines = [f"{where}{self.level}: {printable(_shortened(self.message))}"]
        if self.location is not None and self.location.text:
            lines += _excerpt(self.location)
        if self.hint:
            lines.append(f"  hint: {printable(_shortened(self.hint))}")
        return "\n".join(lines)


class ArchcalcError(Exception):
    """Base of every error that a user can cause; `problems` lists all of them."""

    def __init__(
        self, message: str = "", *, hint: str | None = None, problems: Iterable[Problem] | None = None
    ) -> None:
        self.problems: tuple[Problem, ...] = (Problem(message, hint=hint),) if problems is None else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is rebuilt from its message by default, which no `__init__` of these takes.
        return _rebuilt, (type(self), self.args), self.__dict__


class SettingError(ArchcalcError):
    """A run-time setting (input, batch, dtype, convention, variable) that cannot be used."""


class SpecError(ArchcalcError):
    """A spec that cannot be read, expanded or propagated; carries all of its problems at once.

    `partial` is the Report of the rows before the first failure where shapes failed, else None.
    """

    def __init__(self, problems: Iterable[Problem], partial: object = None) -> None:
        self.partial = partial
        ordered = sorted(problems, key=_position)
        if len(ordered) > MAX_PROBLEMS:
            ordered[MAX_PROBLEMS:] = [Problem(f"too many errors; these are the first {MAX_PROBLEMS}")]
        super().__init__(problems=ordered)


class GraphError(ArchcalcError):
    """A graph that cannot be built: a name that is taken, or a value that is not there."""


class LayerError(ArchcalcError):
    """A layer's rule that does not hold for the input it is given.

    `field` names the field to point at. `assume` is the output shape with which the layers after it can still
    be checked, where one follows in spite of the error. `size_matters` marks an input that has become too small,
    so that the hint can name the layer that shrank it.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        assume: "tuple[Any, ...] | None" = None,
        size_matters: bool = False,
    ) -> None:
        self.message, self.field, self.hint = message, field, hint
        self.assume, self.size_matters = assume, size_matters
        super().__init__(message, hint=hint)


def _rebuilt(cls: type[ArchcalcError], args: tuple[Any, ...]) -> ArchcalcError:
    return cls.__new__(cls, *args)


def printable(text: str) -> str:
    r"""`text` with control characters spelled out, so that no spec can send commands to a terminal.

    So are the bytes of a file's name that are no UTF-8, which Python holds as halves of surrogate pairs.

    >>> printable("a\x1b[31mb"), printable("n\udce9t.yaml")
    ('a\\x1b[31mb', 'n\\xe9t.yaml')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _spelled_out(c) for c in text)


def _spelled_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else ascii(character)[1:-1]


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """A hint that names the known words nearest to `name`, or `otherwise` where none is near.

    >>> did_you_mean("cnov", ["conv", "linear"])
    'did you mean conv?'
    """
    import difflib  # only on the way to an error: start-up does not pay for it

    word = name[:80].lower()
    near = difflib.get_close_matches(word, list(itertools.islice(known, MAX_CANDIDATES)), n=3, cutoff=0.6)
    likeness = {other: difflib.SequenceMatcher(None, other, word).ratio() for other in near}
    near = [other for other in near if likeness[other] > likeness[near[0]] - 0.2]  # a much worse guess only distracts
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 100]} … {text[-100:]}"


def _position(problem: Problem) -> tuple[int, int]:
    return (problem.location.line, problem.location.column) if problem.location else (0, 0)


def _excerpt(location: Location) -> list[str]:
    """The line with a caret under the column; a long line is cut to a window around it."""
    start = max(0, location.column - 1 - EXCERPT_WIDTH // 2) if len(location.text) > EXCERPT_WIDTH else 0
    window = "".join(c if c.isprintable() else " " for c in location.text[start : start + EXCERPT_WIDTH])
    gutter = len(str(location.line))
    caret = " " * (location.column - 1 - start) + "^"
    return [f"  {location.line} | {window}", f"  {' ' * gutter} | {caret}"]
