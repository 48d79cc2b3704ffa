"""`archcalc graph`: what is folded, that nothing is lost by it, and what the two languages say."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import archcalc
from archcalc import Report, load
from archcalc.engine import analyze_graph
from archcalc.folding import ENOUGH_BOXES, OUTPUT, Folded, Part, fold
from archcalc.layers.arithmetic import Shape
from archcalc.render import diagram
from archcalc.spec.graph import INPUT, Graph
from tests.running import measured, on_terminal, piped
from tests.specs_helper import layers, spec

SMALL = """\
title: Small
input: [3, 8, 8]
blocks:
  unit:
    layers:
      - residual: {main: [{conv: {filters: 4, kernel: 3, pad: 1}}, relu]}
layers:
  - conv: {filters: 4, kernel: 3, stride: 2, pad: 1}
  - unit: {name: body, repeat: 3}
  - flatten
  - linear: 10
"""
SMALL_MERMAID = """\
---
title: "Small"
---
flowchart TD
    input(["input"])
    n0["conv1 · conv 4, 3×3, /2<br/>112 params"]
    subgraph g0["body.0…2 ×3"]
        n1["conv1 · conv 4, 3×3<br/>148 params"]
        n2["relu1 · relu"]
        n3["add1 · add"]
    end
    n4["flatten"]
    n5["fc2 · linear 10<br/>650 params"]
    output(["output"])
    input -->|"3×8×8"| n0
    n0 -->|"4×4×4"| n1
    n1 -->|"4×4×4"| n2
    n2 -->|"4×4×4"| n3
    n0 -->|"4×4×4"| n3
    n3 -->|"4×4×4"| n4
    n4 -->|"64"| n5
    n5 -->|"10"| output
"""
SMALL_DOT = """\
digraph network {
    graph [label="Small", labelloc=t, fontname="Helvetica", ranksep=0.3]
    node [shape=box, style=filled, fillcolor="#f6f8fa", fontname="Helvetica", fontsize=11, height=0.3]
    edge [fontname="Helvetica", fontsize=9, arrowsize=0.6]
    input [shape=oval]
    n0 [label="conv1 · conv 4, 3×3, /2\\n112 params"]
    subgraph cluster_0 { graph [label="body.0…2 ×3", labeljust=l, fontsize=11, color="#8c959f"]
        n1 [label="conv1 · conv 4, 3×3\\n148 params"]
        n2 [label="relu1 · relu"]
        n3 [label="add1 · add"]
    }
    n4 [label="flatten"]
    n5 [label="fc2 · linear 10\\n650 params"]
    output [shape=oval]
    input -> n0 [label=" 3×8×8"]
    n0 -> n1 [label=" 4×4×4"]
    n1 -> n2 [label=" 4×4×4"]
    n2 -> n3 [label=" 4×4×4"]
    n0 -> n3 [label=" 4×4×4"]
    n3 -> n4 [label=" 4×4×4"]
    n4 -> n5 [label=" 64"]
    n5 -> output [label=" 10"]
}
"""
has_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed: no SVG or PNG is drawn")


def analysed(text: str) -> tuple[Graph, Report]:
    return analyze_graph(spec(text))


def folded(text: str, depth: int | None = None) -> Folded:
    return fold(*analysed(text), depth)


def named(box: Part, times: int) -> str:
    """A box and what it stands for, such as `body.0…2 ×3`."""
    return f"{box.name} ×{times}" if times > 1 else box.name


def boxes(text: str, depth: int = 9) -> list[str]:
    return [named(box, times) for box, times in folded(text, depth).boxes()]


def test_a_small_network_in_both_languages() -> None:
    assert piped("graph", "-", stdin=SMALL).stdout == SMALL_MERMAID
    assert piped("graph", "-", "--format", "dot", stdin=SMALL).stdout == SMALL_DOT


def test_a_group_below_the_depth_is_a_box_of_its_own() -> None:
    text = diagram.mermaid(folded(SMALL, 1))
    assert '    n1[["body · 9 layers<br/>444 params"]]\n' in text
    assert "subgraph" not in text
    edges = [line.strip() for line in text.splitlines() if "-->" in line]
    assert edges == [
        'input -->|"3×8×8"| n0',
        'n0 -->|"4×4×4"| n1',
        'n1 -->|"4×4×4"| n2',
        'n2 -->|"64"| n3',
        'n3 -->|"10"| output',
    ]
    assert '[["body.0…2 ×3 · 3 layers<br/>148 params each"]]' in diagram.mermaid(folded(SMALL, 2))


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
    picture = fold(*analyze_graph(load(name)), depth)
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
    assert 'subgraph g0["a.0…2 ×3"]' in diagram.mermaid(folded(layers(*lines), 3))


@pytest.mark.parametrize("name", archcalc.names())
@pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])
def test_nothing_is_lost_in_a_picture(name: str, depth: int | None) -> None:
    graph, report = analyze_graph(load(name))
    picture = fold(graph, report, depth)
    assert_sound(picture, graph, report)
    found = list(picture.boxes())
    if depth is None and fold(graph, report, 1) != picture:
        assert len(found) <= ENOUGH_BOXES


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "mobilenet_v3_large"])
def test_without_folding_the_picture_is_the_graph(name: str) -> None:
    graph, report = analyze_graph(load(name))
    picture = fold(graph, report, 9, repetitions=False)
    found = list(picture.boxes())
    assert [(box.row, times) for box, times in found] == [(row, 1) for row in report.layers]
    wires = {(source, target) for target, node in enumerate(graph.nodes) for source in node.inputs}
    assert {(edge.source, edge.target) for edge in picture.edges} == wires | {(len(found) - 1, OUTPUT)}


def assert_sound(picture: Folded, graph: Graph, report: Report) -> None:
    """The picture holds every layer, and its edges are those of the graph, looked up by the names alone."""
    found = list(picture.boxes())
    assert [box.key for box, _ in found] == list(range(len(found)))
    assert sum(box.layers * times for box, times in found) == len(report.layers)
    assert sum(box.params * times for box, times in found) == report.totals.params
    trails = [list(trail(row.name, picture.parts)) for row in report.layers]
    unread = set(range(len(graph.nodes)))
    expected: set[tuple[int | None, int | None, Shape]] = set()
    for target, node in enumerate(graph.nodes):
        for source in node.inputs:
            unread.discard(source)
            here, there = ([], trails[target]) if source == INPUT else (trails[source], trails[target])
            if any(a[0] is b[0] and a[1] != b[1] for a, b in zip(here, there, strict=False)):
                continue  # from one repetition to the next
            start = INPUT if source == INPUT else here[-1][0].key
            if start != there[-1][0].key:
                shape = report.settings.input if source == INPUT else report.layers[source].output
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
        (INPUT, 0): ((3, 8, 8),),
        (INPUT, 1): ((3, 8, 8),),
        (0, 1): ((4, 8, 8),),
        (1, 2): ((12, 8, 8),),
        (INPUT, 2): ((3, 8, 8),),
        (0, 3): ((4, 8, 8),),
        (2, OUTPUT): ((15, 8, 8),),
        (3, OUTPUT): ((256,),),
    }
    several = layers("conv: {name: a.x, filters: 4, kernel: 1}", "maxpool: {name: a.y, kernel: 2}", "relu: {name: b.x}")
    several += "  - conv: {name: b.y, filters: 1, kernel: 1, from: a.x}\n"
    text = diagram.mermaid(folded(several, 1))
    assert 'n0 -->|"4×4×4<br/>4×8×8"| n1' in text


def test_names_that_are_odd_paths() -> None:
    odd = ["a..b", "a.", ".", ".a", "a", "a.b.c", "..", f"{'x.' * 3000}y"]
    graph, report = analysed(layers(*(f"relu: {{name: '{name}'}}" for name in odd)))
    for depth in (1, 2, 3, 70):
        found = list(fold(graph, report, depth).boxes())
        assert sum(box.layers * times for box, times in found) == len(odd)
    assert {box.path for box, _ in fold(graph, report, 70).boxes()} == set(odd)


def test_a_thousand_layers_fold_quickly(tmp_path: Path) -> None:
    file = tmp_path / "deep.yaml"
    file.write_text(SMALL.replace("repeat: 3", "repeat: 400"))
    usage = measured(tmp_path, "graph", file)
    assert (usage.code, usage.stderr) == (0, b"")
    assert "body.0…399 ×400" in usage.stdout.decode()
    assert usage.cpu_seconds < 1


@pytest.mark.parametrize(
    ("layer", "described"),
    [
        ("relu", "relu"),
        ("conv: {filters: 8, kernel: 3, pad: 1, bias: false}", "conv 8, 3×3"),
        ("conv: {filters: 3, kernel: [1, 3], stride: [2, 1], groups: 3}", "conv 3, 1×3, /2×1, groups 3"),
        ("maxpool: 2", "maxpool 2×2, /2"),
        ("maxpool: {kernel: 3, stride: 1, pad: 1, ceil: true}", "maxpool 3×3, /1, ceil"),
        ("batchnorm: {eps: 0.1, affine: false}", "batchnorm no affine"),
        ("dropout: 0.2", "dropout p 0.2"),
        ("adaptive_avgpool: [2, 3]", "adaptive_avgpool size 2×3"),
    ],
)
def test_a_layer_in_a_few_words(layer: str, described: str) -> None:
    _, report = analysed(layers(layer))
    assert diagram.describe(report.layers[0]) == described


HOSTILE = [
    '"]; <script>alert(1)</script>',
    'a"] --> n0; click n0 "javascript:alert(1)"',
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &#60; &amp;",
    "#lt;b#gt; #60;",
    "x direction TB y",
    "style a:b",
    "classDef x fill:#fff;",
    "`**bold** $$x$$ _it_`",
    "\\N \\G \\",
    '\\" ];',
    "%%{init: {}}%%",
    "end ",
    "卷积 é",
    "{0} {name}",
]


def hostile(name: str) -> str:
    return layers(
        f"relu: {{name: '{name}'}}", f"sequence: {{name: '{name} ', layers: [relu, tanh]}}", "tanh: {name: z}"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text_in_mermaid(name: str) -> None:
    """Every line is one of few forms, whose texts hold nothing but plain characters and numbered entities."""
    text = diagram.mermaid(folded(f"title: '{name}'\n{hostile(name)}"))
    *_, body = text.split("---\n", 2)
    plain = r"(?:[\w ./×·…,-]|#\d+;|<br/>)*"
    forms = (
        rf'flowchart TD|end|subgraph g\d+\["{plain}"\]|\w+\(\["{plain}"\]\)|n\d+\["{plain}"\]|\w+ -->\|"{plain}"\| \w+'
    )
    assert all(re.fullmatch(forms, line.strip()) for line in body.splitlines())
    assert not re.search(r"direction\s", body)
    decoded = re.sub(r"#(\d+);", lambda match: chr(int(match.group(1))), body)
    assert f'n0["{name} · relu"]' in decoded
    assert f'subgraph g0["{name} "]' in decoded
    title = text.splitlines()[1].removeprefix('title: "').removesuffix('"')
    assert re.fullmatch(r"(?:[\w ./×·…,-]|\\U[0-9a-f]{8})*", title)
    assert re.sub(r"\\U(.{8})", lambda match: chr(int(match.group(1), 16)), title) == name


def test_control_characters_are_spelled_out_and_long_names_cut() -> None:
    text = layers('relu: {name: "a\\u202e\\e[31m\\nb"}', f"relu: {{name: {'n' * 10_000}}}")
    for written in (diagram.mermaid(folded(text)), diagram.dot(folded(text))):
        assert "\x1b" not in written
        assert "\u202e" not in written
        assert f"{'n' * 30}…{'n' * 30} · relu" in written
        assert "n" * 31 not in written


@has_dot
@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text_in_dot_and_svg(name: str) -> None:
    process = piped("graph", "-", "--format", "svg", stdin=f"title: '{name}'\n{hostile(name)}")
    assert (process.returncode, process.stderr) == (0, "")
    root = ElementTree.fromstring(process.stdout)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "g", "title", "polygon", "path", "ellipse", "text"}
    texts = {
        (element.text or "").replace("\xa0", " ").strip() for element in root.iter() if element.tag.endswith("text")
    }
    assert {name.strip(), f"{name} · relu", "3×8×8", "input", "output"} <= {*texts}
    shape = {"d", "cx", "cy", "rx", "ry", "points", "fill", "stroke", "transform", "width", "height", "viewBox"}
    text = {"x", "y", "text-anchor", "font-family", "font-size"}
    assert {name for element in root.iter() for name in element.attrib} <= {"id", "class", *shape, *text}


@has_dot
@pytest.mark.parametrize("name", ["resnet50", "googlenet", "mobilenet_v3_small"])
def test_graphviz_draws_every_box_and_edge(name: str, tmp_path: Path) -> None:
    picture = fold(*analyze_graph(load(name)))
    assert piped("graph", name, "-o", tmp_path / "net.svg").returncode == 0
    root = ElementTree.fromstring((tmp_path / "net.svg").read_bytes())
    classes = [element.get("class") for element in root.iter() if element.get("class")]
    assert classes.count("node") == len(list(picture.boxes())) + 2
    assert classes.count("edge") == len(picture.edges)


@has_dot
def test_png(tmp_path: Path) -> None:
    assert piped("graph", "lenet5", "-o", tmp_path / "net.PNG").returncode == 0
    assert (tmp_path / "net.PNG").read_bytes().startswith(b"\x89PNG\r\n")
    usage = measured(tmp_path, "graph", "lenet5", "--format", "png")
    assert usage.stdout.startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    ("file", "options", "start"),
    [
        ("net.mmd", [], "---\n"),
        ("net.dot", [], "digraph network {"),
        ("net.gv", [], "digraph network {"),
        ("net", [], "---\n"),
        ("net.png", ["--format", "dot"], "digraph network {"),
        ("net.txt", ["--format", "mermaid"], "---\n"),
    ],
)
def test_the_format_is_what_the_options_say(file: str, options: list[str], start: str, tmp_path: Path) -> None:
    process = piped("graph", "lenet5", "-o", tmp_path / file, *options)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert (tmp_path / file).read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet5", "--all", "--depth", "2"], "error: --all and --depth 2 contradict\n  hint: give one of them\n"),
        (["resnet18", "--set", "layers=3"], "error: resnet18 has no variable 'layers'"),
        (["resnet"], "error: resnet is a family"),
        (["lenet5", "--depth", "0"], "Usage: "),
        (["lenet5", "--format", "pdf"], "Usage: "),
    ],
)
def test_what_cannot_be_drawn_is_an_error(arguments: list[str], message: str) -> None:
    process = piped("graph", *arguments)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(message)


def test_an_ending_that_stands_for_no_format_is_an_error(tmp_path: Path) -> None:
    process = piped("graph", "lenet5", "-o", tmp_path / "net.pdf")
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "error: no format goes with the ending .pdf\n  hint: use .mmd .mermaid .dot .gv .svg .png, or --format\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [layers("cnov: 3"), layers("relu", "maxpool: 9"), "layers: ["])
def test_a_broken_spec_has_the_errors_that_it_has_everywhere(text: str, tmp_path: Path) -> None:
    process = piped("graph", "-", "-o", tmp_path / "net.svg", stdin=text)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == piped("table", "-", stdin=text).stderr
    assert not list(tmp_path.iterdir())


def test_settings_reach_the_picture() -> None:
    text = piped("graph", "resnet18", "--input", "3x64x64", "--set", "classes=7", "--depth", "1").stdout
    assert '"3×64×64"' in text
    assert "linear 7<br/>" in text
    assert "×" not in "".join(re.findall(r"subgraph.*", piped("graph", "resnet18", "--all").stdout))


def test_png_is_not_for_a_terminal() -> None:
    shown = on_terminal("graph", "lenet5", "--format", "png", columns=100)
    assert shown == "error: png is nothing for a terminal\n  hint: write it to a file: --output net.png\n"


def test_without_graphviz_there_is_a_message_and_no_file(tmp_path: Path) -> None:
    output = tmp_path / "net.svg"
    output.write_text("before")
    process = piped("graph", "lenet5", "-o", output, PATH=str(tmp_path))
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(
        "error: svg needs Graphviz: there is no program 'dot' on the PATH\n  hint: install"
    )
    assert output.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["net.svg"]


def test_what_graphviz_says_when_it_fails_is_passed_on(tmp_path: Path) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such plugin')\n")
    program.chmod(0o755)
    process = piped("graph", "lenet5", "--format", "png", PATH=str(tmp_path))
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(f"error: {program} ended with 1: no such plugin\n  hint: ")


def test_a_picture_that_mermaid_would_not_draw_comes_with_a_note() -> None:
    edges = piped("graph", "densenet201", "--all")
    assert edges.returncode == 0
    assert edges.stderr.startswith("note: 806 edges are more than the 500 that Mermaid draws by default; a lower")
    assert edges.stdout.count("-->") == 806
    assert piped("graph", "densenet201", "--all", "--format", "dot").stderr == ""
    assert piped("graph", "densenet201").stderr == ""
    names = layers(*(f"relu: {{name: {'n' * 60}{i:03}}}" for i in range(480)))
    assert "characters are more than the 50,000 that Mermaid reads" in piped("graph", "-", stdin=names).stderr
