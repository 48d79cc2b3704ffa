"""Where the nodes of a graph are written in the spec that it was expanded from."""

import msgspec

from archcalc.errors import Location
from archcalc.spec.entry import Entry
from archcalc.spec.source import Document, Tree, line_words


class Call(msgspec.Struct, frozen=True, gc=False):
    """A block that a node came from: its name, the path that it was called as, and where the call stands."""

    block: str
    path: str
    tree: Tree


class SpecOrigin(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The entry that a node was made of, the calls of blocks that led to it, and the spec's own document."""

    entry: Entry
    calls: tuple[Call, ...]
    document: Document

    @property
    def line(self) -> int:
        """The line of the entry, in whatever file."""
        return self.entry.tree.line

    @property
    def own_line(self) -> int:
        """The line in the spec itself, of the entry or of the innermost call that led to it."""
        tree = self.entry.tree
        return tree.line if tree.document is self.document else self._own_tree().line

    def own_place(self) -> Location:
        """The place in the spec itself, of the entry or of the innermost call that led to it."""
        tree = self._own_tree()
        return tree.document.locate(tree.line, tree.column)

    def place(self, field: str | None) -> Location:
        """Where a field's value stands, in whatever file."""
        tree = self.entry.place(field)
        return tree.document.locate(tree.line, tree.column)

    def calls_in_words(self, seen_from: str) -> str | None:
        """The innermost call in the spec itself, for a message about the file named `seen_from`."""
        return call_words(self.calls, self.document, seen_from) if self.calls else None

    def _own_tree(self) -> Tree:
        trees = [self.entry.tree, *(call.tree for call in reversed(self.calls))]
        return next((tree for tree in trees if tree.document is self.document), trees[0])


def call_words(calls: tuple[Call, ...], document: Document, seen_from: str) -> str:
    """The innermost call that stands in the spec's own document, for a message about the file named `seen_from`."""
    own = [call for call in calls if call.tree.document is document]
    call = (own or calls)[-1]
    return f"in block {call.block}, called as {call.path} in {line_words(call.tree, seen_from)}"
