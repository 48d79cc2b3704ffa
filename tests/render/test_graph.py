"""`archcalc graph`: what the two languages say, that names stay text in them, and how pictures are written."""

import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archcalc import load
from archcalc.analysis import analyze_graph
from archcalc.render.charts import diagram
from archcalc.render.charts.outline import ENOUGH_BOXES, outline_of
from tests.running import measured, on_terminal, piped
from tests.specs_helper import layers, outline, report

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
    input [label="input", shape=oval]
    n0 [label="conv1 · conv 4, 3×3, /2\\n112 params"]
    subgraph cluster_0 { graph [label="body.0…2 ×3", labeljust=l, fontsize=11, color="#8c959f"]
        n1 [label="conv1 · conv 4, 3×3\\n148 params"]
        n2 [label="relu1 · relu"]
        n3 [label="add1 · add"]
    }
    n4 [label="flatten"]
    n5 [label="fc2 · linear 10\\n650 params"]
    output [label="output", shape=oval]
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


def test_a_small_network_in_both_languages() -> None:
    assert piped("graph", "-", stdin=SMALL).stdout == SMALL_MERMAID
    assert piped("graph", "-", "--format", "dot", stdin=SMALL).stdout == SMALL_DOT


def test_a_group_below_the_depth_is_a_box_of_its_own() -> None:
    text = diagram.mermaid(outline(SMALL, 1))
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
    assert '[["body.0…2 ×3 · 3 layers<br/>148 params each"]]' in diagram.mermaid(outline(SMALL, 2))


def test_an_edge_has_every_shape_that_flows_along_it() -> None:
    text = layers("conv: {name: a.x, filters: 4, kernel: 1}", "maxpool: {name: a.y, kernel: 2}", "relu: {name: b.x}")
    text += "  - conv: {name: b.y, filters: 1, kernel: 1, from: a.x}\n"
    assert 'n0 -->|"4×4×4<br/>4×8×8"| n1' in diagram.mermaid(outline(text, 1))
    assert 'n0 -> n1 [label=" 4×4×4\\n4×8×8"]' in diagram.dot(outline(text, 1))


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
    assert diagram.describe(report(layers(layer)).layers[0]) == described


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
    text = diagram.mermaid(outline(f"title: '{name}'\n{hostile(name)}"))
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


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text_in_dot(name: str) -> None:
    """Outside of quotes there is nothing of a spec; inside, what DOT would take for more than text is escaped."""
    text = diagram.dot(outline(f"title: '{name}'\n{hostile(name)}"))
    bare = re.sub(r'"(?:[^"\\&]|\\["\\n]|&amp;)*"', "_", text)
    assert not set(bare) - set("abcdefghijklmnopqrstuvwxyzD0123456789_[]{}=,.-> \n")
    decoded = re.sub(r"\\(.)", r"\1", text).replace("&amp;", "&")
    assert f'n0 [label="{name} · relu"' in decoded
    assert f'graph [label="{name} ", labeljust' in decoded


def test_control_characters_are_spelled_out_and_long_names_cut() -> None:
    text = layers('relu: {name: "a\\u202e\\e[31m\\nb"}', f"relu: {{name: {'n' * 10_000}}}")
    for written in (diagram.mermaid(outline(text)), diagram.dot(outline(text))):
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
    picture = outline_of(*analyze_graph(load(name)))
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
        (
            ["lenet5", "--all", "--depth", "2"],
            "error: --all and --depth 2 cannot be combined\n  hint: give one of them\n",
        ),
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


def test_the_help_says_how_many_boxes_are_enough() -> None:
    assert f"give at most {ENOUGH_BOXES} boxes" in " ".join(piped("graph", "--help").stdout.split())


def test_png_is_not_for_a_terminal() -> None:
    shown = on_terminal("graph", "lenet5", "--format", "png", columns=100)
    assert shown == "error: cannot write png to a terminal\n  hint: write it to a file: --output net.png\n"


def test_without_graphviz_there_is_a_message_and_no_file(tmp_path: Path) -> None:
    output = tmp_path / "net.svg"
    output.write_text("before")
    process = piped("graph", "lenet5", "-o", output, PATH=str(tmp_path))
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(
        "error: svg needs Graphviz, but there is no program 'dot' on the PATH\n  hint: install"
    )
    assert output.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["net.svg"]


def test_what_graphviz_says_when_it_fails_is_passed_on(tmp_path: Path) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such plugin')\n")
    program.chmod(0o755)
    process = piped("graph", "lenet5", "--format", "png", PATH=str(tmp_path))
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(f"error: {program} failed with exit code 1: no such plugin\n  hint: ")


def test_a_picture_that_mermaid_would_not_draw_comes_with_a_note() -> None:
    edges = piped("graph", "densenet201", "--all")
    assert edges.returncode == 0
    assert edges.stderr.startswith("note: 806 edges are more than the 500 that Mermaid draws by default; a lower")
    assert edges.stdout.count("-->") == 806
    assert piped("graph", "densenet201", "--all", "--format", "dot").stderr == ""
    assert piped("graph", "densenet201").stderr == ""
    names = layers(*(f"relu: {{name: {'n' * 60}{i:03}}}" for i in range(480)))
    assert "characters are more than the 50,000 that Mermaid reads" in piped("graph", "-", stdin=names).stderr
