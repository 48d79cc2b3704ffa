"""A graph while a spec is being expanded: the nodes so far, and the value that each name leads to."""

from archcalc.graph import Node
from archcalc.layers import Layer
from archcalc.spec.architecture import Architecture
from archcalc.spec.entry import Entry
from archcalc.spec.fields import Evaluator, show
from archcalc.spec.origin import SpecOrigin
from archcalc.spec.scope import Scope


class Draft:
    """The nodes so far; `first` is the value that the first of them makes, the inputs being those before it."""

    def __init__(self, architecture: Architecture, first: int) -> None:
        self.architecture, self.first = architecture, first
        self.evaluate = Evaluator()
        self.nodes: list[Node] = []
        self.paths: dict[str, int] = {}
        """The value that each name leads to, names inside others as paths."""

    def add(
        self,
        local: str,
        layer: Layer,
        inputs: tuple[int, ...],
        origin: SpecOrigin,
        scope: Scope,
        tied: int | None = None,
        train_only: bool = False,
    ) -> int:
        """Add a node by its name in a scope; returns the value that it makes."""
        path, value = scope.prefix + local, len(self.nodes) + self.first
        self.paths[path] = value
        self.nodes.append(Node(path, layer, inputs, origin, tied, train_only or scope.train_only))
        return value

    def runs(self, value: int) -> bool:
        """Whether what makes a value runs in eval mode."""
        return value < self.first or not self.nodes[value - self.first].train_only

    def origin(self, entry: Entry, scope: Scope) -> SpecOrigin:
        """Where a node of this entry is written."""
        return SpecOrigin(entry, scope.calls, self.architecture.document, self.architecture.extended)

    def condition(self, field: str, entry: Entry, scope: Scope, *, otherwise: bool) -> bool:
        """Whether a condition of an entry holds; `otherwise` where the entry has none."""
        tree = entry.common.get(field)
        if tree is None:
            return otherwise
        value = self.evaluate.value(tree, scope.variables)
        if not isinstance(value, bool | int):
            message = f"{field} must be a condition, got {show(value)}"
            raise self.evaluate.error(tree, message, f"such as `{field}: depth > 18`")
        return bool(value)
