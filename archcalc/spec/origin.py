"""Where the nodes of a graph are written in the spec that it was expanded from."""

import msgspec

from archcalc.errors import Location, Problem
from archcalc.spec.catalogue import is_shipped
from archcalc.spec.entry import Entry
from archcalc.spec.source import Document, Scalar, Tree, line_words, problem_at


class Call(msgspec.Struct, frozen=True, gc=False):
    """A block that a node came from: its name, the path that it was called as, and the place of the call."""

    block: str
    path: str
    tree: Tree


class SpecOrigin(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The entry that a node was made of, the calls of blocks that led to it, and the spec's own document.

    `extended` is the own document's `extends`, if it has one.
    """

    entry: Entry
    calls: tuple[Call, ...]
    document: Document
    extended: Scalar | None = None

    @property
    def line(self) -> int:
        """The line that messages name: of a layer in a shipped file, that of the spec's own call or `extends`."""
        return self._used_at.line if self.is_shipped else self.entry.tree.line

    @property
    def own_line(self) -> int:
        """The line in the spec itself, of the entry or of the innermost call that led to it."""
        tree = self.entry.tree
        return tree.line if tree.document is self.document else self._own_tree().line

    @property
    def is_shipped(self) -> bool:
        """Whether the entry is in a shipped file that is not the spec itself."""
        return _is_foreign(self.entry.tree.document.name, self.document)

    def own_place(self) -> Location:
        """The place in the spec itself, of the entry or of the innermost call that led to it."""
        tree = self._own_tree()
        return tree.document.locate(tree.line, tree.column)

    def problem(self, message: str, hint: str | None = None, field: str | None = None) -> Problem:
        """A problem with a field's value, as `at_call` places it."""
        problem = problem_at(self.entry.place(field), message, hint)
        return at_call(problem, self.calls, self.document, self.extended)

    @property
    def _used_at(self) -> Tree:
        return _own_use(self.calls, self.document, self.extended) or self.entry.tree

    def _own_tree(self) -> Tree:
        trees = [self.entry.tree, *(call.tree for call in reversed(self.calls))]
        return next((tree for tree in trees if tree.document is self.document), trees[0])


def at_call(problem: Problem, calls: tuple[Call, ...], document: Document, extended: Scalar | None) -> Problem:
    """A problem inside of these calls, with the innermost one of the spec's own document in its hint.

    One in a shipped file is placed at that call, or else at the `extends`: that is what its user can change.
    """
    place, used_at = problem.location, _own_use(calls, document, extended)
    own = [call for call in calls if call.tree.document is document]
    call = (own or calls)[-1] if calls else None
    words = [] if call is None else [f"in block {call.block}, called as {call.path}"]
    if place is not None and used_at is not None and _is_foreign(place.file, document):
        problem = problem_at(used_at, problem.message, problem.hint)
        words.append(f"at {place}")
    elif call is not None:
        words = [f"{words[0]} in {line_words(call.tree, place.file if place else '')}"]
    return problem._replace(hint="; ".join(filter(None, [problem.hint, ", ".join(words)])) or None)


def _is_foreign(file: str, document: Document) -> bool:
    return file != document.name and is_shipped(file)


def _own_use(calls: tuple[Call, ...], document: Document, extended: Scalar | None) -> Tree | None:
    """The innermost call in a spec's own document, or else its `extends`."""
    own = (call.tree for call in reversed(calls) if call.tree.document is document)
    return next(own, extended)
