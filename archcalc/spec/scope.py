"""Where a name means something: the spec itself, a block that is called, or a structure that has a name."""

from collections.abc import Iterable, Iterator, Mapping

from archcalc.spec.architecture import Entry
from archcalc.spec.expression import Value
from archcalc.spec.graph import Call
from archcalc.spec.naming import Namer
from archcalc.spec.source import Scalar


class Scope:
    """The variables and names of a run of entries.

    `input` is the node that `from: input` means; `calls` are the blocks that it is inside of, the innermost last;
    `globals` are the vars of the spec, which a block sees besides its own parameters.
    """

    def __init__(
        self,
        prefix: str,
        variables: dict[str, Value],
        entries: Iterable[Entry],
        input: int,
        parent: "Scope | None" = None,
        calls: tuple[Call, ...] | None = None,
        globals: dict[str, Value] | None = None,
    ) -> None:
        self.prefix, self.variables, self.input, self.parent = prefix, variables, input, parent
        self.calls: tuple[Call, ...] = calls if calls is not None else parent.calls if parent else ()
        self.globals: dict[str, Value] = globals if globals is not None else parent.globals if parent else variables
        self.given = dict(_given(entries))
        self.lines: dict[str, int] = {}
        self.failed: set[str] = set()
        """Names of layers that are in error themselves: what reads them is not reported as well."""
        self.namer = Namer(tuple(self.given))

    def find(self, name: str, paths: Mapping[str, int]) -> int | None:
        """The node that a name leads to: from here, from the scopes around, or as a path from the outside."""
        scope: Scope | None = self
        while scope is not None:
            if scope.prefix + name in paths:
                return paths[scope.prefix + name]
            scope = scope.parent
        return paths.get(name)


def _given(entries: Iterable[Entry]) -> Iterator[tuple[str, int]]:
    """The names that entries give themselves, with their lines; structures without a name are looked into."""
    for entry in entries:
        name = entry.common.get("name")
        if isinstance(name, Scalar):
            yield name.text, entry.line
        else:
            for part in entry.parts:
                yield from _given(part)
