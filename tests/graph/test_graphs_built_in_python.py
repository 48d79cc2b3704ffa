"""Graphs that no text describes: analysed, drawn, folded, exported and rendered as those of specs are."""

from collections.abc import Callable

import pytest

import archcalc
from archcalc import Builder, Graph
from archcalc.analysis import analyze_graph, graph_of
from archcalc.comparison.compare import compare
from archcalc.engine.report import Report
from archcalc.errors import GraphError
from archcalc.graph.batchnorm_folding import fold_batchnorms
from archcalc.layers.conv import Conv2d
from archcalc.layers.linear import Linear
from archcalc.layers.merge import Add
from archcalc.layers.norm import BatchNorm
from archcalc.layers.piecewise import ReLU
from archcalc.layers.pool import MaxPool2d
from archcalc.layers.reshape import Flatten
from archcalc.render import batchnorm_folding as folding_text
from archcalc.render import table as table_text
from archcalc.render.charts import diagram
from archcalc.render.charts.outline import outline_of
from archcalc.render.formats.text import plain
from archcalc.render.page.document import page
from archcalc.spec.writer import flat_spec
from tests.specs_helper import layers, spec

TEXT = layers(
    "conv: {name: stem, filters: 8, kernel: 3, pad: 1, bias: false}",
    "batchnorm: {name: norm}",
    "relu",
    "conv: {name: main, filters: 8, kernel: 3, pad: 1}",
    "batchnorm: {name: after}",
    "add: {from: [after, stem]}",
    "linear: {name: aux, features: 5, channels_last: true, train_only: true}",
    "maxpool: {kernel: 2}",
    "flatten",
    "linear: {features: 10}",
    head="name: by-hand\ntitle: By hand\nsource: nowhere\ninput: [3, 8, 8]",
)


def by_hand() -> Graph:
    """What the spec above says."""
    net = Builder("by-hand", title="By hand", source="nowhere", input=(3, 8, 8))
    stem = net.add(Conv2d(filters=8, kernel=3, pad=1, bias=False), name="stem")
    net.add(BatchNorm(), name="norm")
    net.add(ReLU())
    net.add(Conv2d(filters=8, kernel=3, pad=1), name="main")
    after = net.add(BatchNorm(), name="after")
    net.add(Add(), after, stem)
    net.add(Linear(features=5, channels_last=True), name="aux", train_only=True)
    net.add(MaxPool2d(kernel=2))
    net.add(Flatten())
    net.add(Linear(features=10))
    return net.graph()


def without_lines(report: Report) -> list[dict[str, object]]:
    return [{**row.to_dict(), "line": None} for row in report.layers]


def test_it_equals_that_of_a_spec_and_has_the_same_figures() -> None:
    assert by_hand() == graph_of(spec(TEXT))
    assert hash(by_hand().nodes[0]) == hash(graph_of(spec(TEXT)).nodes[0])
    own, other = archcalc.analyze(by_hand(), batch=3), archcalc.analyze(spec(TEXT), batch=3)
    assert {row.line for row in own.layers} == {None}
    assert without_lines(own) == without_lines(other)
    assert (own.totals, own.title, own.settings) == (other.totals, other.title, other.settings)
    assert Report.from_dict(own.to_dict()) == own


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.add(ReLU(), name="other"),
        lambda net: net.add(ReLU(), net.input),
        lambda net: net.add(MaxPool2d(kernel=2)),
        lambda net: net.add(ReLU(), train_only=True),
    ],
)
def test_graphs_that_differ_are_not_equal(change: Callable[[Builder], object]) -> None:
    one, other = (Builder("net", input=(3, 8, 8)) for _ in range(2))
    for net in (one, other):
        net.add(Conv2d(filters=3, kernel=1))
    one.add(ReLU())
    change(other)
    assert one.graph() != other.graph()


@pytest.mark.parametrize("name", archcalc.names())
def test_every_architecture_is_equal_after_being_written_and_read(name: str) -> None:
    graph = graph_of(name)
    assert graph_of(spec(flat_spec(graph))) == graph


def test_another_input_is_taken_and_vars_are_refused() -> None:
    assert archcalc.analyze(by_hand(), input=[3, 16, 16]).layers[0].output == (8, 16, 16)
    with pytest.raises(archcalc.SettingError, match="by-hand has no variable 'width'"):
        archcalc.analyze(by_hand(), vars={"width": 3})
    with pytest.raises(archcalc.SettingError, match="input must be a tuple or list of whole numbers"):
        graph_of(by_hand(), input=[])


def test_it_is_drawn_as_that_of_a_spec() -> None:
    own, other = (outline_of(*analyze_graph(network), 9) for network in (by_hand(), spec(TEXT)))
    assert diagram.mermaid(own) == diagram.mermaid(other)
    assert diagram.dot(own) == diagram.dot(other)


def test_it_is_rendered() -> None:
    graph, report = analyze_graph(by_hand())
    text = plain(table_text.report_grid(report, columns=("layer", "line", "params"), hide=False))
    assert "stem" in text
    assert "None" not in text
    assert "By hand" in page([(graph, report)], "")
    assert len(compare([report, archcalc.analyze("lenet5")]).reports) == 2


def test_its_batch_norms_are_folded() -> None:
    graph, report = analyze_graph(by_hand())
    folding = fold_batchnorms(graph, [row.output for row in report.layers])
    after = archcalc.analyze(folding.graph)
    assert (folding.graph.name, folding.graph.title) == ("by-hand-folded", "By hand, batch norms folded")
    assert graph_of(spec(flat_spec(folding.graph))) == folding.graph
    text = plain(folding_text.totals_grid(folding, report, after))
    assert "norm stays: stem is also read by add2" in text
    assert "None" not in text + plain(folding_text.folds_grid(folding, report))


def test_what_does_not_fit_is_told_without_a_place() -> None:
    net = Builder("net", input=(3, 8, 8))
    net.add(MaxPool2d(kernel=4), name="pool")
    net.add(Conv2d(filters=4, kernel=5), name="large")
    with pytest.raises(archcalc.SpecError) as caught:
        archcalc.analyze(net.graph())
    assert str(caught.value) == (
        "error: large: kernel 5 does not fit its input of 2×2 (pad 0)\n"
        "  hint: pad ≥ 2 or kernel ≤ 2; the size shrank at pool"
    )


def test_what_does_not_join_names_what_is_joined() -> None:
    net = Builder("net", input=(3, 8, 8))
    small = net.add(MaxPool2d(kernel=2), name="pool")
    net.add(Add(), small, net.input)
    with pytest.raises(archcalc.SpecError) as caught:
        archcalc.analyze(net.graph())
    (problem,) = caught.value.problems
    assert problem.location is None
    assert problem.hint is not None
    assert problem.hint.startswith("inputs: pool, the input")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda net: net.graph(), "net has no layers"),
        (lambda net: net.add(ReLU(), 1), "relu: unknown value 1"),
        (lambda net: net.add(ReLU(), -1), "relu: unknown value -1"),
        (lambda net: net.add(ReLU(), 0, 0), "relu: relu takes 1 input, got 2"),
        (lambda net: net.add(Add(), 0), "add: add takes 2 or more inputs, got 1"),
        (lambda net: net.add(ReLU(), name="input"), "name 'input' is taken"),
        (lambda net: net.add(ReLU(), name=""), "a name is empty"),
        (lambda net: [net.add(ReLU(), name="a"), net.add(ReLU(), name="a")], "name 'a' is taken"),
        (lambda net: net.add(ReLU(), tied=0), "relu: tied: no layer makes the value 0"),
        (lambda net: net.add(ReLU(), net.add(ReLU(), train_only=True)), "relu_2: relu runs only in training"),
        (lambda _: Builder("net", input=()), "an input has no size"),
    ],
)
def test_what_cannot_be_built_is_one_clear_error(build: Callable[[Builder], object], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        build(Builder("net", input=(3, 8, 8)))
    assert caught.value.problems[0].message == message


def test_automatic_names_pass_over_those_that_are_taken() -> None:
    net = Builder("net", input=(3, 8, 8))
    net.add(ReLU(), name="relu")
    net.add(ReLU())
    net.add(ReLU())
    assert [node.name for node in net.graph().nodes] == ["relu", "relu_2", "relu_3"]


def test_what_reads_nothing_in_particular_skips_branches_that_run_in_training_alone() -> None:
    nodes = by_hand().nodes
    pool = next(node for node in nodes if isinstance(node.layer, MaxPool2d))
    assert by_hand().name_of(pool.inputs[0]) == "add2"


def test_it_runs_in_pytorch_and_agrees() -> None:
    torch = pytest.importorskip("torch")
    backend = pytest.importorskip("archcalc.torch_backend.verify")
    folding = pytest.importorskip("archcalc.torch_backend.verify_folding")
    assert archcalc.to_torch(by_hand()).eval()(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    found = backend.verify(*analyze_graph(by_hand(), batch=2), device="cpu", memory=True)
    assert found.verdict == "agrees"
    same = folding.verify_folding(*analyze_graph(by_hand(), dtype="float64"), device="cpu")
    assert (same.verdict, same.folded) == ("agrees", 1)


def test_pytorch_names_a_layer_that_it_refuses_without_a_line() -> None:
    pytest.importorskip("torch")
    net = Builder("net", input=(3, 8, 8))
    net.add(Conv2d(filters=4, kernel=9), name="large")
    with pytest.raises(archcalc.ArchcalcError, match=r"^error: large: PyTorch rejects"):
        archcalc.to_torch(net.graph())
