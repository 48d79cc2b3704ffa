"""Networks of several inputs and outputs: how a spec says so, what every command makes of it, and PyTorch's view."""

import json
from pathlib import Path

import pytest

import archcalc
from archcalc import ArchcalcError, Builder, analyze
from archcalc.analysis import graph_of
from archcalc.layers.activation import Sigmoid
from archcalc.spec.writer import flat_spec
from tests.running import piped
from tests.specs_helper import graph, messages, report, spec

TEXT = """
name: two
inputs: {ids: [length], image: [3, 8, 8]}
outputs: [classes, boxes]
vars: {length: 5, width: 6}
blocks:
  exchange:
    inputs: [a, b]
    outputs: [sum, other]
    layers:
      - linear: {name: other, features: width, from: b}
      - add: {name: sum, from: [a, other]}
layers:
  - embedding: {name: words, vocabulary: 50, features: width}
  - conv: {name: stem, filters: width, kernel: 1, from: image}
  - flatten: {start: 1}
  - transpose
  - slice: {name: patches, axis: 0, stop: length}
  - exchange: {name: mix, from: [words, patches], repeat: 3}
  - linear: {name: boxes, features: 4}
  - linear: {name: classes, features: 10, from: mix.other}
"""


def test_rows_and_outputs() -> None:
    found = report(TEXT, batch=2)
    assert found.settings.inputs == {"ids": (5,), "image": (3, 8, 8)}
    assert [(output.name, output.shape) for output in found.outputs] == [("classes", (5, 10)), ("boxes", (5, 4))]
    assert found.layer("words").inputs == ((5,),)
    assert found.layer("stem").inputs == ((3, 8, 8),)
    assert found.totals.params == 50 * 6 + (3 * 6 + 6) + 3 * (6 * 6 + 6) + (6 * 4 + 4) + (6 * 10 + 10)


def test_a_repeated_block_passes_all_its_results_on() -> None:
    nodes = {node.name: node for node in graph(TEXT).nodes}
    names = graph(TEXT).name_of
    assert [names(i) for i in nodes["mix.1.sum"].inputs] == ["mix.0.sum", "mix.1.other"]
    assert [names(i) for i in nodes["mix.1.other"].inputs] == ["mix.0.other"]
    assert [names(i) for i in nodes["boxes"].inputs] == ["mix.2.sum"]
    assert [names(i) for i in nodes["classes"].inputs] == ["mix.2.other"]


def test_one_result_less_than_inputs_leaves_the_last_input_as_it_is() -> None:
    text = TEXT.replace("inputs: [a, b]", "inputs: [a, b, c]").replace("[words, patches]", "[words, patches, words]")
    text = text.replace("from: [a, other]", "from: [a, other, c]")
    nodes = {node.name: node for node in graph(text).nodes}
    names = graph(text).name_of
    assert [names(i) for i in nodes["mix.2.sum"].inputs] == ["mix.1.sum", "mix.2.other", "words"]


def test_an_input_is_read_from_inside_of_a_block() -> None:
    look = "\n      - slice: {name: look, axis: 0, stop: 1, from: image}"
    text = TEXT.replace("from: [a, other]}", "from: [a, other]}" + look)
    text = text.replace("outputs: [classes, boxes]", "")
    found = report(text)
    assert found.layer("mix.2.look").inputs == ((3, 8, 8),)
    assert [output.name for output in found.outputs] == ["mix.0.look", "mix.1.look", "mix.2.look", "boxes", "classes"]


def test_a_written_spec_is_the_same_network() -> None:
    unused = TEXT.replace("[classes, boxes]", "classes").replace("vars:", "unused: [boxes]\nvars:")
    for text in (TEXT, unused):
        assert graph(flat_spec(graph(text))) == graph(text)
    assert [output.name for output in report(unused).outputs] == ["classes"]


def test_inputs_are_set_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TEXT, encoding="utf-8")
    done = piped("table", path, "--input", "ids=3", "--input", "image=3x16x16", "--set", "length=3", "--json")
    assert done.returncode == 0, done.stderr
    plain = json.loads(done.stdout)
    assert plain["settings"]["inputs"] == {"ids": [3], "image": [3, 16, 16]}
    assert plain["settings"]["input"] == [3]
    assert plain["outputs"] == [{"name": "classes", "shape": [3, 10]}, {"name": "boxes", "shape": [3, 4]}]
    assert "inputs ids 5, image 3×8×8 · batch 1" in piped("table", path).stdout
    drawn = piped("graph", path).stdout
    assert all(f'(["{name}"])' in drawn for name in ("ids", "image", "output"))
    assert "ids" in piped("report", path, "-o", tmp_path / "page.html").stderr or (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "5"], "the network has several inputs: ids, image\n  hint: say which one, such as ids=5"),
        (["--input", "picture=5"], "the network has no input 'picture'"),
        (["--input", "ids=5", "--input", "7"], "several inputs need names"),
        (["--input", "ids=5", "--input", "ids=7"], "an input is given twice"),
        (["--input", "ids=five"], "'ids=five' is not a shape"),
    ],
)
def test_inputs_that_there_are_not(tmp_path: Path, options: list[str], message: str) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TEXT, encoding="utf-8")
    done = piped("table", path, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("inputs: {ids", "input: 4\ninputs: {ids", "net.yaml:3:1: error: input and inputs cannot be combined"),
        ("{ids: [length], image: [3, 8, 8]}", "[5]", "inputs must be a mapping of 1 to 1,000 names to shapes"),
        ("{ids: [length], image: [3, 8, 8]}", "{}", "inputs must be a mapping of 1 to 1,000 names to shapes"),
        ("ids:", "my-ids:", "net.yaml:3:10: error: invalid input name 'my-ids'"),
        ("ids: [length]", "length: [5]", "length is both an input and a variable"),
        ("ids: [length]", "ids: [0]", "net.yaml:3:15: error: ids must be a list of whole numbers ≥ 1, got [0]"),
        ("[classes, boxes]", "[clases, boxes]", "outputs: no layer named 'clases'\n"),
        ("[classes, boxes]", "[boxes, boxes]", "outputs must be a list of different names"),
        ("[classes, boxes]", "[ids, boxes]", "outputs: no layer named 'ids'"),
        ("[classes, boxes]", "boxes", "classes: no layer reads it, and it is not an output"),
        ("vars:", "unused: [stem]\nvars:", "unused: 'stem' is read by a layer"),
        ("vars:", "unused: [boxes]\nvars:", "unused: 'boxes' is an output"),
        ("outputs: [sum, other]", "outputs: [sum, mother]", "outputs of block exchange: no layer named 'mother'"),
        ("inputs: [a, b]", "inputs: [b]", "exchange takes one input, got 2"),
        ("name: stem", "name: image", "the name 'image' is an input's"),
        ("from: image", "from: imago", "from: no layer named 'imago'"),
    ],
)
def test_what_is_wrong_is_said_where(old: str, new: str, message: str) -> None:
    assert old in TEXT
    assert message in messages(TEXT.replace(old, new))


def test_a_block_that_gives_more_than_it_takes_is_not_repeated() -> None:
    text = TEXT.replace("inputs: [a, b]", "inputs: [a]").replace("from: b}", "from: a}")
    text = text.replace("from: [words, patches]", "from: words")
    message = "net.yaml:19:33: error: exchange cannot be repeated: it gives 2 results and takes 1"
    assert [line for line in messages(text).splitlines() if "error" in line] == [message]  # nor what follows from it


def test_variants_and_extensions_change_inputs(tmp_path: Path) -> None:
    text = TEXT + "variants: {long: {inputs: {ids: [4]}}, wrong: {inputs: {id: [9]}}}\n"
    assert "the spec has no input 'id'" in messages(text)
    (tmp_path / "two.yaml").write_text(TEXT, encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: two.yaml\ninputs: {image: [3, 9, 9], sound: [7]}\noutputs: [classes, boxes, heard]\n"
        "layers: [{linear: {name: heard, features: 2, from: sound}}]\n",
        encoding="utf-8",
    )
    found = analyze(own)
    assert found.settings.inputs == {"ids": (5,), "image": (3, 9, 9), "sound": (7,)}
    assert [output.name for output in found.outputs] == ["classes", "boxes", "heard"]
    own.write_text("extends: two.yaml\ninput: [3, 9, 9]\n", encoding="utf-8")
    with pytest.raises(ArchcalcError, match="the spec has no input 'input'"):
        analyze(own)


def test_a_gate_takes_the_inputs_of_a_budget(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    budget = "budget: {params: 1k, settings: {input: {image: [3, 16, 16]}}}\n"
    path.write_text(TEXT + budget, encoding="utf-8")
    done = piped("check", path)
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text(TEXT + budget.replace("image", "imago"), encoding="utf-8")
    done = piped("check", path)
    assert done.returncode == 2
    assert "the network has no input 'imago'" in done.stdout + done.stderr


def test_receptive_fields_are_of_one_input() -> None:
    text = """
inputs: {left: [2, 9, 9], right: [2, 9, 9]}
layers:
  - conv: {name: a, filters: 2, kernel: 3}
  - conv: {name: b, filters: 2, kernel: 3, from: right}
  - add: {name: both, from: [a, b]}
  - add: {name: one, from: [a, a]}
"""
    fields = {row.name: row.receptive_field for row in report(text).layers}
    assert fields == {"a": (3, 3), "b": (3, 3), "both": None, "one": (3, 3)}


def test_what_depends_on_no_input_is_computed_once_a_batch() -> None:
    text = """
input: [4, 6]
layers:
  - parameter: {name: table, shape: [4, 6]}
  - linear: {name: spread, features: 6}
  - add: {name: sum, from: [input, spread]}
"""
    one, three = report(text), report(text, batch=3)
    assert [row.macs for row in three.layers] == [0, 4 * 6 * 6, 0]
    assert [row.memory_bytes for row in three.layers] == [96, 96, 3 * 96]
    assert one.layer("spread") == three.layer("spread").__class__(
        **{field: getattr(three.layer("spread"), field) for field in three.layer("spread").__struct_fields__}
        | {"live_bytes": one.layer("spread").live_bytes}
    )
    pytest.importorskip("torch")
    from archcalc.torch_backend.verify import verify

    found = verify(graph(text), three, device="cpu", memory=True)
    assert (found.verdict, found.checked) == ("agrees", found.figures)


def test_pytorch_takes_and_gives_them_in_order() -> None:
    torch = pytest.importorskip("torch")
    model = archcalc.to_torch(spec(TEXT)).eval()
    ids, image = torch.randint(50, (2, 5)), torch.zeros(2, 3, 8, 8)
    classes, boxes = model(ids, image)
    assert (classes.shape, boxes.shape) == ((2, 5, 10), (2, 5, 4))
    with pytest.raises(TypeError, match=r"takes 2 inputs \(ids, image\), got 1"):
        model(ids)


def test_outputs_of_a_graph_built_in_python() -> None:
    net = Builder("n", input={"a": (4,), "b": (4,)})
    first, second = (net.add(Sigmoid(), net.inputs[name]) for name in ("a", "b"))
    third = net.add(Sigmoid(), first)
    assert net.graph().outputs == (second, third)
    assert net.graph(outputs=[third, first]).outputs == (third, first)
    for wrong in ([0], [third, third], [99]):
        with pytest.raises(ArchcalcError, match="is not a layer's, or is given twice"):
            net.graph(outputs=wrong)
    with pytest.raises(ArchcalcError, match="several inputs: a, b"):
        graph_of(net.graph(), input=(5,))
    assert graph_of(net.graph(), input={"b": (5,)}).inputs[1].shape == (5,)
