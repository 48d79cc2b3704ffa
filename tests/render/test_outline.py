"""What a picture folds, and that nothing is lost by it."""

from collections.abc import Iterator

import pytest

import archcalc
from archcalc import Report, load
from archcalc.analysis import analyze_graph
from archcalc.graph import Graph
from archcalc.layers.core.arithmetic import Shape
from archcalc.render.charts.outline import ENOUGH_BOXES, OUTPUT, End, Outline, Part, outline_of
from tests.specs_helper import layers, spec


def analysed(text: str) -> tuple[Graph, Report]:
    return analyze_graph(spec(text))


def folded(text: str, depth: int | None = None) -> Outline:
    return outline_of(*analysed(text), depth)


def named(box: Part, times: int) -> str:
    """A box and what it stands for, such as `body.0…2 ×3`."""
    return f"{box.name} ×{times}" if times > 1 else box.name


def boxes(text: str, depth: int = 9) -> list[str]:
    return [named(box, times) for box, times in folded(text, depth).boxes()]


@pytest.mark.parametrize(
    ("name", "depth", "expected"),
    [
        ("resnet50", 1, ["layer1", "layer2", "layer3", "layer4"]),
        (
            "resnet50",
            None,
            [
                *["layer1.0", "layer1.1…2 ×2", "layer2.0", "layer2.1…3 ×3"],
                *["layer3.0", "layer3.1…5 ×5", "layer4.0", "layer4.1…2 ×2"],
            ],
        ),
        ("resnet18", 2, ["layer1.0…1 ×2", "layer2.0", "layer2.1", "layer3.0", "layer3.1", "layer4.0", "layer4.1"]),
        (
            "googlenet",
            None,
            [
                *["conv1", "conv2", "conv3", "inception3a", "inception3b"],
                *["inception4a", "inception4b", "inception4c", "inception4d", "inception4e"],
                *["inception5a", "inception5b"],
            ],
        ),
        ("vgg16", None, []),
        ("densenet121", None, ["block1", "transition1", "block2", "transition2", "block3", "transition3", "block4"]),
    ],
)
def test_what_is_folded_in_shipped_architectures(name: str, depth: int | None, expected: list[str]) -> None:
    picture = outline_of(*analyze_graph(load(name)), depth)
    assert [named(box, times) for box, times in picture.boxes() if box.row is None] == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["relu: {name: a, repeat: 4}"], ["a.0…3 ×4"]),
        (["conv: {name: a, filters: 3, kernel: 1, repeat: 4}"], ["a.0…3 ×4"]),
        # What differs is not folded: fields, shapes, kinds, names inside.
        (["conv: {name: a, filters: 4 + i // 2, kernel: 1, repeat: 4}"], ["a.0", "a.1", "a.2", "a.3"]),
        (["conv: {name: a, filters: 4, kernel: 1, repeat: 4}"], ["a.0", "a.1…3 ×3"]),
        (["relu: {name: a.0}", "tanh: {name: a.1}", "tanh: {name: a.2}"], ["a.0", "a.1…2 ×2"]),
        (["relu: {name: a.0.x}", "relu: {name: a.1.y}"], ["a.0.x", "a.1.y"]),
        (["relu: {name: a.0.x}", "relu: {name: a.1.x}"], ["a.0…1 ×2"]),
        # Only numbers that follow one another are repetitions.
        (["relu: {name: a.0}", "relu: {name: a.2}", "relu: {name: a.3}"], ["a.0", "a.2…3 ×2"]),
        (["relu: {name: a.1}", "relu: {name: a.0}"], ["a.1", "a.0"]),
        (["relu: {name: a.01}", "relu: {name: a.02}"], ["a.01", "a.02"]),
        (["relu: {name: a.x}", "relu: {name: a.y}"], ["a.x", "a.y"]),
        ([f"relu: {{name: a.{'9' * 5000}}}", "relu: {name: a.٣}", "relu: {name: a.٤}", "relu: {name: a.²}"], None),
        # ×n is a chain: what others read, or nobody, does not go into one.
        (["relu: {name: a, repeat: 4}", "add: {from: [a.1, a.3]}"], ["a.0…1 ×2", "a.2…3 ×2", "add"]),
        (["relu: {name: a.0}", "relu: {name: a.1, from: input}", "add: {from: [a.0, a.1]}"], ["a.0", "a.1", "add"]),
        (["relu: {name: a.0}", "relu: {name: a.1, from: input}"], ["a.0", "a.1"]),
        # A skip over one repetition is none of its own.
        (
            ["relu: {name: a.0}", "relu: {name: a.1}", "relu: {name: a.2, from: a.0}", "add: {from: [a.1, a.2]}"],
            ["a.0", "a.1", "a.2", "add"],
        ),
        # What all of them read is no obstacle; what only some of them read is.
        (
            ["tanh: {name: m}", *(f"add: {{name: a.{i}, from: [{f'a.{i - 1}' if i else 'm'}, m]}}" for i in range(3))],
            ["m", "a.0…2 ×3"],
        ),
        (
            [
                "tanh: {name: m}",
                "tanh: {name: k}",
                *(f"add: {{name: a.{i}, from: [{f'a.{i - 1}' if i else 'm'}, {'mmk'[i]}]}}" for i in range(3)),
            ],
            ["m", "k", "a.0…1 ×2", "a.2"],
        ),
    ],
)
def test_what_counts_as_a_repetition(lines: list[str], expected: list[str] | None) -> None:
    found = boxes(layers(*lines))
    assert found == expected if expected else len(found) == len(lines)


def test_repetitions_that_are_chained_differently_are_not_one_run() -> None:
    """Every unit reads both layers of the one before; the last has them crossed."""
    units = [("input", "input"), ("a.0.x", "a.0.y"), ("a.1.x", "a.1.y"), ("a.2.y", "a.2.x")]
    lines = [
        f"{kind}: {{name: a.{i}.{part}, from: {source}}}"
        for i, sources in enumerate(units)
        for kind, part, source in zip(("relu", "tanh"), "xy", sources, strict=True)
    ]
    assert boxes(layers(*lines), 2) == ["a.0…2 ×3", "a.3"]
    assert boxes(layers(*lines), 3) == ["a.0.x ×3", "a.0.y ×3", "a.3.x", "a.3.y"]


def unit(i: int, *sources: str) -> list[str]:
    """Three layers named a.{i}.x, y and z, which read what `sources` say; the first reads the unit before."""
    before = f"a.{i - 1}.z" if i else "input"
    return [
        f"relu: {{name: a.{i}.{part}, from: {source}}}"
        for part, source in zip("xyz", (before, *(f"a.{i}.{source}" for source in sources)), strict=True)
    ]


def test_repetitions_are_connected_alike_inside() -> None:
    assert boxes(layers(*unit(0, "x", "y"), *unit(1, "x", "y")), 2) == ["a.0…1 ×2"]
    crossed = [*unit(1, "x", "x"), "add: {from: [a.1.y, a.1.z]}"]
    assert boxes(layers(*unit(0, "x", "y"), *crossed), 2) == ["a.0", "a.1", "add"]


def test_a_repetition_with_a_dead_end_stands_alone() -> None:
    """Its dead end goes to the output, which that of a repetition in between would not."""
    assert boxes(layers(*unit(0, "x", "x"), *unit(1, "x", "x")), 2) == ["a.0", "a.1"]


def test_a_run_of_groups_that_hold_one_group_keeps_its_count() -> None:
    lines = [f"{kind}: {{name: a.{i}.main.{kind}}}" for i in range(3) for kind in ("relu", "tanh")]
    assert boxes(layers(*lines), 2) == ["a.0…2 ×3"]
    assert boxes(layers(*lines), 3) == ["a.0.main ×3"]
    assert [part.name for part in folded(layers(*lines), 3).parts] == ["a.0…2"]


@pytest.mark.parametrize("name", archcalc.names())
@pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])
def test_nothing_is_lost_in_a_picture(name: str, depth: int | None) -> None:
    graph, report = analyze_graph(load(name))
    picture = outline_of(graph, report, depth)
    assert_sound(picture, graph, report)
    found = list(picture.boxes())
    if depth is None and outline_of(graph, report, 1) != picture:
        assert len(found) <= ENOUGH_BOXES


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "mobilenet_v3_large"])
def test_without_folding_the_picture_is_the_graph(name: str) -> None:
    graph, report = analyze_graph(load(name))
    picture = outline_of(graph, report, 9, repetitions=False)
    found = list(picture.boxes())
    assert [(box.row, times) for box, times in found] == [(row, 1) for row in report.layers]
    wires = {
        ("input" if source is None else source, target)
        for target, node in enumerate(graph.nodes)
        for source in map(graph.position, node.inputs)
    }
    assert {(edge.source, edge.target) for edge in picture.edges} == wires | {(len(found) - 1, OUTPUT)}


def assert_sound(picture: Outline, graph: Graph, report: Report) -> None:
    """The picture holds every layer, and its edges are those of the graph, looked up by the names alone."""
    found = list(picture.boxes())
    assert [box.key for box, _ in found] == list(range(len(found)))
    assert sum(box.layers * times for box, times in found) == len(report.layers)
    assert sum(box.params * times for box, times in found) == report.totals.params
    trails = [list(trail(row.name, picture.parts)) for row in report.layers]
    unread = set(range(len(graph.nodes)))
    expected: set[tuple[End | None, End | None, Shape]] = set()
    for target, node in enumerate(graph.nodes):
        for source in map(graph.position, node.inputs):
            unread.discard(-1 if source is None else source)
            here, there = ([], trails[target]) if source is None else (trails[source], trails[target])
            if any(a[0] is b[0] and a[1] != b[1] for a, b in zip(here, there, strict=False)):
                continue  # from one repetition to the next
            start = "input" if source is None else here[-1][0].key
            if start != there[-1][0].key:
                shape = report.settings.input if source is None else report.layers[source].output
                expected.add((start, there[-1][0].key, shape))
    for position in unread:
        expected.add((trails[position][-1][0].key, OUTPUT, report.layers[position].output))
    drawn = [(edge.source, edge.target, shape) for edge in picture.edges for shape in edge.shapes]
    assert len({(edge.source, edge.target) for edge in picture.edges}) == len(picture.edges)
    assert len(drawn) == len(expected)
    assert set(drawn) == expected


def trail(name: str, parts: tuple[Part, ...]) -> Iterator[tuple[Part, int]]:
    """The groups and the box that a layer is in, with the repetition of each."""
    for part in parts:
        head, _, number = part.path.rpartition(".")
        for k in range(part.times):
            path = part.path if part.times == 1 else f"{head}.{int(number) + k}"
            if name == path or name.startswith(f"{path}."):
                yield part, k
                if part.key is None:
                    yield from trail(part.path + name[len(path) :], part.parts)
                return
    raise AssertionError(f"{name} is nowhere")


def test_a_group_may_have_several_inputs_and_shapes() -> None:
    text = layers(
        "conv: {name: a.x, filters: 4, kernel: 1}",
        "relu: {name: a.y}",
        "conv: {name: b.x, filters: 4, kernel: 1, from: input}",
        "concat: {name: b.y, from: [b.x, a.x, a.y]}",
        "concat: {name: c, from: [b.y, input]}",
        "flatten: {from: a.x}",
    )
    picture = folded(text, 1)
    assert [box.path for box, _ in picture.boxes()] == ["a", "b", "c", "flatten"]
    shapes = {(edge.source, edge.target): edge.shapes for edge in picture.edges}
    assert shapes == {
        ("input", 0): ((3, 8, 8),),
        ("input", 1): ((3, 8, 8),),
        (0, 1): ((4, 8, 8),),
        (1, 2): ((12, 8, 8),),
        ("input", 2): ((3, 8, 8),),
        (0, 3): ((4, 8, 8),),
        (2, OUTPUT): ((15, 8, 8),),
        (3, OUTPUT): ((256,),),
    }
    several = layers("conv: {name: a.x, filters: 4, kernel: 1}", "maxpool: {name: a.y, kernel: 2}", "relu: {name: b.x}")
    several += "  - conv: {name: b.y, filters: 1, kernel: 1, from: a.x}\n"
    assert folded(several, 1).edges[1].shapes == ((4, 4, 4), (4, 8, 8))


def test_names_that_are_odd_paths() -> None:
    odd = ["a..b", "a.", ".", ".a", "a", "a.b.c", "..", f"{'x.' * 3000}y"]
    graph, report = analysed(layers(*(f"relu: {{name: '{name}'}}" for name in odd)))
    for depth in (1, 2, 3, 70):
        found = list(outline_of(graph, report, depth).boxes())
        assert sum(box.layers * times for box, times in found) == len(odd)
    assert {box.path for box, _ in outline_of(graph, report, 70).boxes()} == set(odd)
