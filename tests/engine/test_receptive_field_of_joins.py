"""Receptive fields where several layers are joined, against gradients of the same networks in PyTorch."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archcalc.analysis import analyze
from archcalc.engine.conventions import convention_named
from archcalc.engine.propagation import Propagation
from archcalc.engine.receptive_field import ReceptiveField, receptive_fields
from archcalc.layers.core.arithmetic import whole
from archcalc.spec.architecture import read
from archcalc.spec.expand import expand
from archcalc.spec.source import Document

torch = pytest.importorskip("torch")
build = pytest.importorskip("archcalc.torch_backend.build")

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

LENGTH = 80
LEAST_KNOWN, LEAST_OUTPUTS = 80, 5000


def last_field(spec: dict[str, Any]) -> tuple[Any, ReceptiveField | None]:
    """The graph of a spec, and what the outputs of its last layer see."""
    architecture = read(Document("joins.yaml", json.dumps(spec)))
    graph, problems = expand(architecture)
    assert not problems
    found = Propagation(graph, 1, "float32", convention_named("lecture"))
    assert not found.problems, found.problems
    transforms, shapes = [cost.transform for cost in found.costs], [whole(cost.output) for cost in found.costs]
    *_, last = receptive_fields(graph, transforms, shapes)
    return graph, last


def seen(graph: Any) -> list[tuple[int, int] | None]:
    """For each place of the output, the first input that it depends on, and the one after the last."""
    model = build.build(graph).double().eval()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1)  # nothing cancels out
    x = torch.rand(1, *graph.inputs[0].shape, dtype=torch.float64, requires_grad=True)
    y = model(x).sum((0, 1))
    found: list[tuple[int, int] | None] = []
    for output in y:
        (slope,) = torch.autograd.grad(output, x, retain_graph=True)
        places = slope[0].sum(0).nonzero().flatten().tolist()
        found.append((places[0], places[-1] + 1) if places else None)
    return found


def check(spec: dict[str, Any]) -> int | None:
    """Compare every output's window with what it depends on; how many meet no padding, None where not known.

    No more outputs at each end meet padding than all layers together add there.
    """
    graph, field = last_field(spec)
    if field is None:
        return None
    within, found = 0, seen(graph)
    margin = sum(padding(layer) for entry in spec["layers"] for layer in entry.values())
    for i, places in enumerate(found):
        assert field.start is not None
        begin = field.start[0] + i * field.jump[0]
        window = (begin, begin + field.size[0])
        if margin <= i < len(found) - margin:
            assert places == window, (spec, i)
            within += 1
        elif places is not None:
            assert window[0] <= places[0], (spec, i)
            assert places[1] <= window[1], (spec, i)
    return within


def padding(layer: dict[str, Any]) -> int:
    """The most that a layer adds to one of its ends."""
    pad = layer.get("pad", 0)
    return int(max(pad) if isinstance(pad, list) else layer["kernel"] // 2 if pad == "same" else pad)


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """Branches of convolutions, pools, slices and pads over a line of numbers, cut to one length and joined."""
    layers: list[dict[str, Any]] = []
    lengths = {"input": LENGTH}

    def add(kind: str, length: int, **fields: Any) -> str:
        name = f"l{len(layers)}"
        layers.append({kind: {"name": name, **fields}})
        lengths[name] = length
        return name

    def step(source: str) -> str:
        n = lengths[source]
        kind = draw(st.sampled_from(["conv1d", "conv1d", "same", "avgpool1d", "slice", "pad"]))
        k, p, s = draw(st.integers(1, 4)), draw(st.integers(0, 2)), draw(st.sampled_from([1, 1, 1, 2]))
        if kind == "conv1d":
            d = draw(st.integers(1, 2))
            after = (n + 2 * p - d * (k - 1) - 1) // s + 1
            return add(kind, after, filters=2, kernel=k, pad=p, stride=s, dilation=d, **{"from": source})
        if kind == "same":
            return add("conv1d", n, filters=2, kernel=k, pad="same", **{"from": source})
        if kind == "avgpool1d":
            return add(kind, (n - k) // s + 1, kernel=k, stride=s, **{"from": source})
        if kind == "slice":
            return add(kind, -(-(n - p) // s), axis=1, start=p, step=s, **{"from": source})
        return add(kind, n + p + k, pad=[p, k], **{"from": source})

    def branch(source: str) -> str:
        for _ in range(draw(st.integers(0, 3))):
            if lengths[source] >= 8:
                source = step(source)
        return source

    start = add("conv1d", LENGTH, filters=2, kernel=1, **{"from": "input"})
    source = start
    for _ in range(draw(st.integers(1, 3))):
        ends = [branch(source) for _ in range(draw(st.integers(2, 3)))]
        n = min(lengths[end] for end in ends)
        cut = []
        for end in ends:
            first = draw(st.integers(0, lengths[end] - n))
            cut.append(add("slice", n, axis=1, start=first, stop=first + n, **{"from": end}))
        source = add(draw(st.sampled_from(["add", "concat"])), n, **{"from": cut})
        source = add("conv1d", n, filters=2, kernel=draw(st.sampled_from([1, 3])), pad="same", **{"from": source})
    return {"input": [1, LENGTH], "layers": layers}


found: list[int | None] = []


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def compositions(spec: dict[str, Any]) -> None:
    found.append(check(spec))


def test_random_branches_see_what_they_depend_on() -> None:
    compositions()
    known = [within for within in found if within is not None]
    assert len(known) >= LEAST_KNOWN
    assert sum(known) >= LEAST_OUTPUTS


def spec(*layers: str, input: str = "[1, 40]") -> Any:
    return read(
        Document("joins.yaml", "\n".join([f"input: {input}", "layers:", *(f"  - {layer}" for layer in layers)]))
    )


def test_windows_beside_one_another_are_seen_together() -> None:
    left = "slice: {name: left, axis: 1, stop: 30, from: input}"
    right = "slice: {name: right, axis: 1, start: 10, from: input}"
    rows = analyze(spec(left, right, "add: {from: [left, right]}", "conv1d: {filters: 1, kernel: 3}")).layers
    assert [row.receptive_field for row in rows] == [(1,), (1,), (11,), (13,)]


def test_windows_that_move_at_another_pace_are_not_known_together() -> None:
    slow = "slice: {name: slow, axis: 1, stop: 20, from: input}"
    fast = "slice: {name: fast, axis: 1, step: 2, from: input}"
    rows = analyze(spec(slow, fast, "add: {from: [slow, fast]}")).layers
    assert [row.receptive_field for row in rows] == [(1,), (1,), None]


def test_what_stands_one_behind_another_is_not_known_together() -> None:
    conv = "conv1d: {name: c, filters: 1, kernel: 3, from: input}"
    rows = analyze(spec(conv, "concat: {axis: 1, from: [c, input]}")).layers
    assert rows[-1].receptive_field is None


@pytest.mark.parametrize("gate", ["mean: {name: g, axis: [1, 2], keep: true}", "global_avgpool: {name: g}"])
def test_a_gate_that_sees_everything_makes_its_map_see_it(gate: str) -> None:
    layers = ("conv: {name: c, filters: 1, kernel: 3}", gate, "mul: {from: [c, g]}", "relu")
    rows = analyze(spec(*layers, input="[1, 9, 12]")).layers
    assert [row.receptive_field for row in rows] == [(3, 3), (9, 12), (9, 12), (9, 12)]
