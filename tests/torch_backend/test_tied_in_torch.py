"""What may be tied, against PyTorch: the parameters of its own modules decide."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archcalc.errors import LayerError, SpecError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import Shape
from archcalc.spec.architecture import read
from archcalc.spec.source import Document
from tests.layers.strategies import Case, cases, variants

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.layer")
build = pytest.importorskip("archcalc.torch_backend.build")
analysis = pytest.importorskip("archcalc.analysis")

LEARNING = [cls for cls in kinds().values() if cls.parameters is not Layer.parameters]
LEAST_OF_EACH = 40
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


def fits(case: Case) -> bool:
    try:
        case.layer.output(*case.inputs)
    except LayerError:
        return False
    return True


def shapes(case: Case) -> dict[str, Shape]:
    """The parameters of PyTorch's own module, by name."""
    dtype = torch.float32 if case.layer.indices_below is None else torch.int64
    with torch.device("meta"):
        module = backend.module_of(case.layer, [torch.zeros(2, *x, dtype=dtype) for x in case.inputs])
    return {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("cls", LEARNING, ids=lambda cls: cls.kind)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_parameters_are_those_of_pytorchs_module(cls: type[Layer], data: Any) -> None:
    case = data.draw(cases(cls).filter(fits))
    assert case.layer.parameters(*case.inputs) == shapes(case)


def entry(name: str, case: Case, **more: str) -> list[dict[str, Any]]:
    """A layer of a spec that reads tensors of these shapes; indices are the spec's input."""
    fields = {**msgspec.to_builtins(case.layer), "name": name, **more}
    if case.layer.indices_below is not None:
        return [{case.layer.kind: {**fields, "from": "input"}}]
    sources = [{"parameter": {"name": f"{name}{i}", "shape": x, "from": "input"}} for i, x in enumerate(case.inputs)]
    read_by = [f"{name}{i}" for i in range(len(sources))]
    return [*sources, {case.layer.kind: {**fields, "from": read_by if len(read_by) > 1 else read_by[0]}}]


found = {"accepted": 0, "refused": 0}


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def pairs(data: Any) -> None:
    cls = data.draw(st.sampled_from(LEARNING))
    if data.draw(st.booleans()):
        a, b = data.draw(variants(cls, count=2))
        b = b._replace(inputs=a.inputs) if data.draw(st.booleans()) else b
    else:
        a, b = data.draw(cases(cls)), data.draw(cases(data.draw(st.sampled_from(LEARNING))))
    assume(fits(a) and fits(b))
    takes_indices = [case for case in (a, b) if case.layer.indices_below is not None]
    assume(len({case.inputs for case in takes_indices}) < 2)
    theirs, own = shapes(a), shapes(b)
    weights = [name for name in own if "bias" not in name]
    can = bool(weights) and all(own[name] == theirs.get(name) for name in weights)
    spec = {
        "input": list(takes_indices[0].inputs[0] if takes_indices else (3,)),
        "layers": [*entry("a", a), *entry("b", b, tied="a")],
    }
    architecture = read(Document("tied.yaml", json.dumps(spec)))
    if not can:
        with pytest.raises(SpecError, match="tied to a"):
            analysis.analyze_graph(architecture)
        found["refused"] += 1
        return
    graph, report = analysis.analyze_graph(architecture)
    model = build.build(graph)
    known = {id(parameter) for parameter in model.a.parameters()}
    new = [parameter for parameter in model.b.parameters() if id(parameter) not in known]
    assert report.layer("b").params == sum(parameter.numel() for parameter in new)
    assert report.layer("b").buffers == sum(buffer.numel() for buffer in model.b.buffers())
    assert not {id(model.b.get_parameter(name)) for name in weights} - known
    found["accepted"] += 1


def test_what_can_be_tied_is_what_pytorchs_modules_can_share() -> None:
    pairs()
    assert min(found.values()) >= LEAST_OF_EACH, found
