"""A graph built in Python, node by node."""

from collections.abc import Mapping, Sequence

from archcalc.errors import GraphError
from archcalc.graph.naming import Namer
from archcalc.graph.nodes import Graph, Input, Node, unread
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Shape

INPUT_NAME = "input"


class Builder:
    """Collects the nodes of a graph whose input has the shape `input`, without the batch; several have shapes by name.

    `title` is one line for people, the name if left out; `source` is where the architecture was published.
    Raises GraphError where there is no input, and for one without sizes.

    >>> from archcalc.layers.linear import Linear
    >>> net = Builder("one-layer", input=(784,))
    >>> fc = net.add(Linear(features=10))
    >>> net.graph().nodes[0].name, net.input, fc
    ('fc1', 0, 1)
    >>> Builder("two-towers", input={"image": (3, 224, 224), "ids": (77,)}).inputs
    {'image': 0, 'ids': 1}
    """

    def __init__(self, name: str, *, input: Shape | Mapping[str, Shape], title: str = "", source: str = "") -> None:
        shapes = input if isinstance(input, Mapping) else {INPUT_NAME: input}
        if not shapes or not all(shapes.values()):
            raise GraphError("an input has no size" if shapes else "no input", hint="such as input=(3, 224, 224)")
        self.name, self.title, self.source = name, title or name, source
        self._inputs = tuple([Input(name, tuple(shape)) for name, shape in shapes.items()])
        self.inputs = {name: value for value, name in enumerate(shapes)}
        """The value that each input is, by its name."""
        self.input = 0
        """The value that the only input is, or the first one."""
        self._nodes: list[Node] = []
        self._last = self.input
        """What the next layer reads by default: the last value that there is in eval mode."""
        self._names = set(shapes)
        self._namer = Namer(reserved=tuple(shapes))

    def add(
        self, layer: Layer, *inputs: int, name: str | None = None, tied: int | None = None, train_only: bool = False
    ) -> int:
        """Add a layer that reads these values, or that of the layer before, and return the value that it makes.

        Without a name it gets one, as in a spec. `tied` is the value of a layer whose weights it uses in place of its
        own; one that is `train_only` is left out in eval mode. Raises GraphError for a value that is not there, for too
        few or too many inputs, and for a name that is taken.

        >>> from archcalc.layers.merge import Add
        >>> Builder("join", input=(8,)).add(Add(), 0)
        Traceback (most recent call last):
        ...
        archcalc.errors.GraphError: error: add: add takes 2 or more inputs, got 1
        """
        name = self._named(layer, name)
        first = len(self._inputs)
        made = first + len(self._nodes)
        inputs = inputs or (self._last,)
        least, most = layer.arity
        if len(inputs) < least or (most is not None and len(inputs) > most):
            count = f"{least} or more" if most is None else f"{least} or {most}" if most > least else str(least)
            message = f"{name}: {layer.kind} takes {count} input{'' if count == '1' else 's'}, got {len(inputs)}"
            raise GraphError(message)
        for value in inputs:
            if not 0 <= value < made:
                which = "0 is the input" if first == 1 else f"0 to {first - 1} are the inputs"
                raise GraphError(f"{name}: unknown value {value}", hint=f"{which}; the last value is {made - 1}")
            if value >= first and (read := self._nodes[value - first]).train_only and not train_only:
                message = f"{name}: {read.name} runs only in training"
                raise GraphError(message, hint="layers that read it must also be `train_only`")
        if tied is not None and not first <= tied < made:
            raise GraphError(f"{name}: tied: no layer makes the value {tied}", hint="give what `add` returned for it")
        position = None if tied is None else tied - first
        self._names.add(name)
        self._nodes.append(Node(name, layer, inputs, None, position, train_only))
        if not train_only:
            self._last = made
        return made

    def graph(self, *, outputs: Sequence[int] = ()) -> Graph:
        """The graph of all layers added so far, which gives these values, or all that no layer reads.

        Raises GraphError where there are no layers, and for outputs that no layer makes or that are named twice.
        """
        if not self._nodes:
            raise GraphError(f"{self.name} has no layers", hint="add at least one")
        first = len(self._inputs)
        for value in outputs:
            if not first <= value < first + len(self._nodes) or outputs.count(value) > 1:
                raise GraphError(f"output {value} is not a layer's, or is given twice", hint="give what `add` returned")
        given = tuple(outputs) or unread(first, self._nodes)
        if all(self._nodes[value - first].train_only for value in given):
            raise GraphError(f"{self.name} has no output in eval mode", hint="give one in `outputs`")
        return Graph(self.name, self.title, self._inputs, tuple(self._nodes), given, self.source)

    def _named(self, layer: Layer, name: str | None) -> str:
        kind = type(layer)
        if name is None:
            name = self._namer.name(kind)
            while name in self._names:
                name = self._namer.plain(name)
            return name
        if not name or name in self._names:
            what = f"name {name!r} is taken" if name else "a name is empty"
            raise GraphError(what, hint="every layer needs a unique name")
        self._namer.count(kind)
        return name
