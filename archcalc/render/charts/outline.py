"""Graph and Report → what a picture of them shows: groups of layers as one box, repetitions drawn once."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from archcalc.engine.report import LayerReport, Report
from archcalc.graph import Graph
from archcalc.layers.core.arithmetic import Shape

End: TypeAlias = int | str
"""What an edge leads from or to: the key of a box, the id of an input, or OUTPUT."""
OUTPUT = "output"
"""The end of edges to the network's outputs."""
ENOUGH_BOXES = 60
"""How many boxes a picture has at most where no depth is given."""
MAX_LEVELS = 64
MAX_DIGITS = 9


class Part(msgspec.Struct, frozen=True):
    """A box, which has a `key`, or an open group, which has `parts` instead.

    `times` of it stand in a row, each of which reads nothing but the one before and what all of them read. `layers`
    and `params` are those of one time. A box of a single layer has its `row`.
    """

    path: str
    times: int
    layers: int
    params: int
    row: LayerReport | None = None
    key: int | None = None
    parts: "tuple[Part, ...]" = ()

    @property
    def name(self) -> str:
        """The path, of repetitions that of the first with the number of the last: `layer2.1…3`."""
        number = _number(self.path)
        return self.path if self.times == 1 or number is None else f"{self.path}…{number + self.times - 1}"


class Edge(msgspec.Struct, frozen=True):
    """What flows from one box to another, by their keys: the shapes, each once."""

    source: End
    target: End
    shapes: tuple[Shape, ...]


class Outline(msgspec.Struct, frozen=True):
    """A network as a picture shows it: the parts in the order in which they run, and the edges between their boxes."""

    title: str
    inputs: dict[str, str]
    """The names of the inputs by the ids that edges lead from."""
    parts: tuple[Part, ...]
    edges: tuple[Edge, ...]

    def boxes(self) -> Iterator[tuple[Part, int]]:
        """Every box, and how many times it stands for what it shows, with the repetitions of the groups around it."""
        return _boxes(self.parts, 1)


def outline_of(graph: Graph, report: Report, depth: int | None = None, *, repetitions: bool = True) -> Outline:
    """The picture of a graph that has been analysed without errors.

    A name such as `layer1.0.conv1` is a path. `depth` is how many of its levels are shown: a group below is one box.
    Without it, it is the greatest that leaves ENOUGH_BOXES, and at least 1. With `repetitions`, the members of a group
    that are numbered and follow one another with equal layers, shapes and connections are drawn once. Raises
    SettingError where figures are symbols or arrays.

    >>> from archcalc import load
    >>> from archcalc.analysis import analyze_graph
    >>> picture = outline_of(*analyze_graph(load("resnet18")), depth=2)
    >>> [(box.name, times, box.layers) for box, times in picture.boxes()][4:7]
    [('layer1.0…1', 2, 7), ('layer2.0', 1, 9), ('layer2.1', 1, 7)]
    >>> picture.edges[0]
    Edge(source='input', target=0, shapes=((3, 224, 224),))
    """
    report.require_plain("drawn")
    tree = _Tree(graph, report.layers, repetitions)
    if depth is not None:
        drawing = _Drawing(tree, depth)
    else:
        drawing = _Drawing(tree, 1)
        for deeper in range(2, tree.levels + 1):
            candidate = _Drawing(tree, deeper)
            if candidate.boxes > ENOUGH_BOXES:
                break
            drawing = candidate
    inputs = {tree.input_id(value): input.name for value, input in enumerate(graph.inputs)}
    return Outline(report.title, inputs, drawing.parts, drawing.edges())


def _boxes(parts: Iterable[Part], times: int) -> Iterator[tuple[Part, int]]:
    for part in parts:
        if part.key is None:
            yield from _boxes(part.parts, times * part.times)
        else:
            yield part, times * part.times


def _number(path: str) -> int | None:
    """The repetition that a path ends in."""
    last = path.rpartition(".")[2]
    is_number = len(last) <= MAX_DIGITS and last.isdecimal() and str(int(last)) == last
    return int(last) if is_number else None


class _Branch:
    """What names have in common: a group, with the positions in the graph of all layers in it; or a single layer."""

    __slots__ = ("children", "parent", "path", "positions", "runs")

    def __init__(self, path: str, parent: "_Branch | None") -> None:
        self.path, self.parent = path, parent
        self.children: list[_Branch] = []
        self.positions: list[int] = []
        self.runs: list[list[_Branch]] | None = None
        if parent is not None:
            parent.children.append(self)


class _Tree:
    """The layers by their paths, and which neighbours are repetitions of one another."""

    def __init__(self, graph: Graph, rows: tuple[LayerReport, ...], repetitions: bool) -> None:
        self.nodes, self.rows, self.repetitions = graph.nodes, rows, repetitions
        self.first = len(graph.inputs)
        """The value that the first layer makes."""
        self.outputs = graph.outputs
        self.shapes = [*[input.shape for input in graph.inputs], *[row.output for row in rows]]
        self.reads = [0] * len(self.shapes)
        """How often each value is read."""
        self.root, self.levels = _Branch("", None), 0
        self._groups = {"": self.root}
        for position, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.reads[value] += 1
            path = node.name.rpartition(".")[0]
            if path not in self._groups:
                levels = path.split(".", MAX_LEVELS)[:MAX_LEVELS]
                self.levels, path = max(self.levels, len(levels)), ".".join(levels)
            branch: _Branch | None = _Branch(node.name, self._group(path))
            while branch is not None:
                branch.positions.append(position)
                branch = branch.parent
        self.levels += 1

    def input_id(self, value: int) -> str:
        """What an input is called in edges: `input`, or with its number where there are several."""
        return "input" if self.first == 1 else f"input{value}"

    def _group(self, path: str) -> _Branch:
        found = self._groups.get(path)
        if found is None:
            found = self._groups[path] = _Branch(path, self._group(path.rpartition(".")[0]))
        return found

    def runs(self, branch: _Branch) -> list[list[_Branch]]:
        """The children of a branch, those that repeat the one before together with it."""
        if branch.runs is None:
            branch.runs = []
            links: dict[tuple[int, int], int] = {}
            for child in branch.children:
                run = branch.runs[-1] if branch.runs and self.repetitions else []
                new = self._links(run[-1], child) if run else {}
                if new and (len(run) == 1 or new == links):
                    run.append(child)
                else:
                    branch.runs.append([child])
                links = new
        return branch.runs

    def _links(self, one: _Branch, other: _Branch) -> dict[tuple[int, int], int]:
        """Which inputs of `other` come from where in `one`, if it repeats `one`: nothing where it does not.

        It does if its number is the next, its layers are equal and are connected alike, and if what is not inside
        either is the same for both, but for what comes from `one`. No third may read `one`, and all of it is read.
        """
        first, second = _number(one.path), _number(other.path)
        if first is None or second != first + 1 or len(one.positions) != len(other.positions):
            return {}
        inside_one = {self.first + position: rank for rank, position in enumerate(one.positions)}
        inside_other = {self.first + position: rank for rank, position in enumerate(other.positions)}
        links: dict[tuple[int, int], int] = {}
        read = 0
        for rank, (p, q) in enumerate(zip(one.positions, other.positions, strict=True)):
            if not self._equal(p, q) or self.nodes[p].name[len(one.path) :] != self.nodes[q].name[len(other.path) :]:
                return {}
            for k, (x, y) in enumerate(zip(self.nodes[p].inputs, self.nodes[q].inputs, strict=True)):
                if inside_one.get(x) != inside_other.get(y):
                    return {}
                if y in inside_one:
                    links[rank, k] = inside_one[y]
                elif y not in inside_other and x != y:
                    return {}
                read += (x in inside_one) + (y in inside_one)
        reads = [self.reads[self.first + position] for position in one.positions]
        return links if all(reads) and sum(reads) == read else {}

    def _equal(self, p: int, q: int) -> bool:
        a, b = self.rows[p], self.rows[q]
        return a.inputs == b.inputs and (a.layer is b.layer or a.layer == b.layer)


class _Drawing:
    """The tree down to a depth: its parts, and the box that each layer is in."""

    def __init__(self, tree: _Tree, depth: int) -> None:
        self.tree, self.boxes = tree, 0
        self.home = [0] * len(tree.nodes)
        self.repeated = bytearray(len(tree.nodes))
        """1 for the layers that are drawn as an earlier repetition."""
        self.parts = self._parts(tree.root, depth)

    def _parts(self, branch: _Branch, depth: int) -> tuple[Part, ...]:
        return tuple([self._part(run, depth - 1) for run in self.tree.runs(branch)])

    def _part(self, run: list[_Branch], depth: int) -> Part:
        first, rows = run[0], self.tree.rows
        row = rows[first.positions[0]] if len(first.positions) == 1 else None
        parts = () if row or depth == 0 else self._parts(first, depth)
        for member in run[1:]:
            for position in member.positions:
                self.repeated[position] = 1
        if not parts:
            key = self.boxes
            self.boxes += 1
            for member in run:
                for position in member.positions:
                    self.home[position] = key
        elif len(parts) == len(run) == 1:  # a frame around one box would say nothing
            return parts[0]
        else:
            key = None
            for member in run[1:]:
                for original, position in zip(first.positions, member.positions, strict=True):
                    self.home[position] = self.home[original]
        path = row.name if row and len(run) == 1 else first.path
        params = sum([rows[position].params for position in first.positions])
        return Part(path, len(run), len(first.positions), params, row, key, parts)

    def edges(self) -> tuple[Edge, ...]:
        """The edges between boxes; those inside a box and from one repetition to the next are not among them."""
        home, first, shapes = self.home, self.tree.first, self.tree.shapes
        flows: dict[tuple[End, End], dict[Shape, None]] = {}
        for position, node in enumerate(self.tree.nodes):
            if self.repeated[position]:
                continue
            for value in node.inputs:
                start = self.tree.input_id(value) if value < first else home[value - first]
                if start != home[position]:
                    flows.setdefault((start, home[position]), {})[shapes[value]] = None
        for value in sorted(self.tree.outputs):
            if value >= first:
                flows.setdefault((home[value - first], OUTPUT), {})[shapes[value]] = None
        return tuple([Edge(*ends, tuple(flowing)) for ends, flowing in flows.items()])
