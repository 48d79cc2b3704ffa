"""Which of what is gone something was that came: by place, name and layers, and never by a guess."""

from archcalc.analysis import graph_of
from archcalc.history.pairing import Pairs, Sketch, Spec, pair

NAMES = ("vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "alexnet", "lenet5", "mobilenet_v2")
SKETCHES = {name: Sketch.of(graph_of(name)) for name in NAMES}


def paired(came: dict[str, str], gone: dict[str, str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The certain and the doubtful pairs of `path` or `path:variant`, each a shipped network ("" for a broken spec)."""
    found = pair(*({spec(name): SKETCHES.get(net) for name, net in one.items()} for one in (came, gone)))
    certain = {str(new): str(old) for new, old in found.certain.items()}
    return certain, {str(new): sorted(map(str, olds)) for new, olds in found.doubtful.items()}


def spec(name: str) -> Spec:
    path, _, variant = name.partition(":")
    return Spec(path, variant or None)


def test_equal_networks_and_what_is_left() -> None:
    gone = {"old/a.yaml": "vgg16", "old/b.yaml": "vgg19", "old/f.yaml:c": "alexnet"}
    assert paired({"a.yaml": "vgg19", "new.yaml": "alexnet"}, {"x.yaml": "vgg19", "y.yaml": "alexnet"}) == (
        {"a.yaml": "x.yaml", "new.yaml": "y.yaml"},
        {},
    )
    assert paired({"x.yaml": "vgg16", "y.yaml": "vgg19", "c.yaml": "alexnet", "n.yaml": "lenet5"}, gone) == (
        {"x.yaml": "old/a.yaml", "y.yaml": "old/b.yaml", "c.yaml": "old/f.yaml:c"},
        {},
    )
    assert paired({"x.yaml": "vgg16", "n.yaml": "lenet5"}, gone) == (
        {"x.yaml": "old/a.yaml"},
        {"n.yaml": ["old/b.yaml", "old/f.yaml:c"]},
    )
    assert pair({spec("n.yaml"): SKETCHES["lenet5"]}, {}) == Pairs({}, {})
    assert pair({}, {spec("n.yaml"): SKETCHES["lenet5"]}) == Pairs({}, {})


def test_the_most_alike_is_it() -> None:
    gone = {"a.yaml": "vgg16", "b.yaml": "resnet18"}
    assert paired({"x.yaml": "vgg19", "y.yaml": "resnet34"}, gone)[0] == {"x.yaml": "a.yaml", "y.yaml": "b.yaml"}
    # Of several that came, the one that is most alike; others that are like it may be it, those that are not are new.
    assert paired({"x.yaml": "vgg11", "y.yaml": "vgg19", "z.yaml": "lenet5"}, {"a.yaml": "vgg16"}) == (
        {"y.yaml": "a.yaml"},
        {"x.yaml": ["a.yaml"]},
    )
    # A network that only moved is accounted for, whatever is like it.
    assert paired({"x.yaml": "vgg16", "y.yaml": "vgg19"}, {"a.yaml": "vgg16"}) == ({"x.yaml": "a.yaml"}, {})
    assert paired({"x.yaml": "vgg16", "y.yaml": "vgg16"}, {"a.yaml": "vgg16"})[0] == {
        "x.yaml": "a.yaml",
        "y.yaml": "a.yaml",
    }


def test_one_network_under_several_names_is_no_doubt() -> None:
    gone = {"a.yaml": "vgg16", "b.yaml": "vgg16"}
    assert paired({"x.yaml": "vgg19"}, gone) == ({"x.yaml": "a.yaml"}, {})
    assert paired({"x.yaml": "vgg16", "y.yaml": "vgg16"}, gone)[0] == {"x.yaml": "a.yaml", "y.yaml": "b.yaml"}
    assert paired({"d/b.yaml": "vgg16", "y.yaml": "vgg16"}, gone)[0] == {"d/b.yaml": "b.yaml", "y.yaml": "a.yaml"}


def test_places_and_names() -> None:
    assert paired({"A.json": "lenet5"}, {"a.yaml": "vgg16", "b.yaml": "alexnet"})[0] == {"A.json": "a.yaml"}
    assert paired({"a.yaml:x": ""}, {"a.yaml": ""}) == ({"a.yaml:x": "a.yaml"}, {})
    assert paired({"small.yaml": "vgg13"}, {"f.yaml:small": "vgg11", "f.yaml:large": "vgg11"})[0] == {
        "small.yaml": "f.yaml:small"
    }
    assert paired({"f.yaml:net": "vgg13"}, {"net.yaml": "vgg11", "b.yaml": "lenet5"})[0] == {"f.yaml:net": "net.yaml"}
    # Whatever else came is more like it.
    assert paired({"a.json": "vgg13", "x.yaml": "vgg16"}, {"a.yaml": "vgg16"})[0] == {
        "a.json": "a.yaml",
        "x.yaml": "a.yaml",
    }
    # A name alone is none: every folder may have its model.yaml.
    assert paired({"c/model.yaml": "lenet5"}, {"a/model.yaml": "vgg16"}) == ({}, {"c/model.yaml": ["a/model.yaml"]})


def test_names_and_layers_that_contradict_are_a_doubt() -> None:
    gone = {"f.yaml:small": "vgg11", "f.yaml:large": "vgg19"}
    assert paired({"small.yaml": "vgg19"}, gone) == ({}, {"small.yaml": ["f.yaml:large", "f.yaml:small"]})
    gone = {"f.yaml:large": "vgg19", "net.yaml": "lenet5"}
    assert paired({"f.yaml:new": "lenet5"}, gone) == ({}, {"f.yaml:new": ["f.yaml:large", "net.yaml"]})


def test_too_many_to_compare_are_compared_by_name_alone() -> None:
    gone = {f"old/n{i}.yaml": ("vgg11", "vgg13")[i % 2] for i in range(300)}
    came = {f"new/n{i}.yaml": ("vgg16", "vgg19")[i % 2] for i in range(300)}
    certain, doubtful = paired(came, gone)
    assert (certain, doubtful) == ({f"new/n{i}.yaml": f"old/n{i}.yaml" for i in range(300)}, {})
    certain, doubtful = paired({f"new/m{i}.yaml": "vgg16" for i in range(300)}, gone)
    assert (certain, len(doubtful)) == ({}, 300)
