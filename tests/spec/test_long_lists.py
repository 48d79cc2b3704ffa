"""What a spec lists is taken whole, however long the list, and what is left out of a list of errors is said."""

import json
import random

import pytest

import archcalc
from archcalc.errors import MAX_PROBLEMS
from tests.specs_helper import graph, layers, messages, report, spec

MAPS = (2, 99, 100, 101, 150, 1_000)


def joined(kind: str, channels: list[int]) -> str:
    """A join of as many maps as there are channels."""
    names = [f"m{i}" for i in range(len(channels))]
    maps = [f"conv: {{name: {n}, from: input, filters: {c}, kernel: 1}}" for n, c in zip(names, channels, strict=True)]
    return layers(*maps, f"{kind}: {{name: join, from: [{', '.join(names)}]}}")


@pytest.mark.parametrize("maps", MAPS)
def test_concat_of_many_maps_is_that_of_pytorch(maps: int) -> None:
    torch = pytest.importorskip("torch")
    channels = [random.Random(maps + i).randint(1, 5) for i in range(maps)]
    model = archcalc.to_torch(spec(joined("concat", channels))).eval()
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        expected = torch.cat([getattr(model, f"m{i}")(x) for i in range(maps)], dim=1)
        assert torch.equal(model(x), expected)
    assert (1, *report(joined("concat", channels)).layers[-1].output) == expected.shape


@pytest.mark.parametrize("kind", ["add", "mul", "concat"])
@pytest.mark.parametrize("maps", MAPS)
def test_a_join_reads_every_map_that_is_named(kind: str, maps: int) -> None:
    assert graph(joined(kind, [4] * maps)).nodes[-1].inputs == tuple(range(1, maps + 1))


@pytest.mark.parametrize("branches", MAPS)
def test_every_branch_counts(branches: int) -> None:
    text = json.dumps([[{"conv": {"filters": 2, "kernel": 1}}]] * branches)
    found = report(layers(f"parallel: {{join: concat, branches: {text}}}"))
    assert found.layers[-1].output == (2 * branches, 8, 8)
    assert found.totals.params == branches * (3 * 2 + 2)


def test_a_block_takes_as_many_inputs_as_it_names() -> None:
    names = [f"x{i}" for i in range(150)]
    maps = [f"conv: {{name: m{i}, from: input, filters: 2, kernel: 1}}" for i in range(150)]
    block = f"blocks: {{all: {{inputs: [{', '.join(names)}], layers: [{{concat: {{from: [{', '.join(names)}]}}}}]}}}}"
    call = f"all: {{from: [{', '.join(f'm{i}' for i in range(150))}]}}"
    assert report(layers(*maps, call, head=f"input: [3, 8, 8]\n{block}")).layers[-1].output == (300, 8, 8)


@pytest.mark.parametrize(
    "text",
    [
        layers(*["cnov"] * (MAX_PROBLEMS + 1)),
        layers(*["linear: varaible"] * (MAX_PROBLEMS + 1), head="input: [8]"),
        layers(*["maxpool: {from: input, kernel: 9}"] * (MAX_PROBLEMS + 1)),
        layers(f"relu: {{from: [{'b, ' * (MAX_PROBLEMS + 1)}]}}"),
        layers(f"relu: {{{''.join(f'b{n}: 1, ' for n in range(MAX_PROBLEMS + 1))}}}"),
        layers("relu") + "".join(f"a{n}: 1\n" for n in range(MAX_PROBLEMS + 1)),
        layers("relu") + "a: 1\n" * (MAX_PROBLEMS + 2),
    ],
    ids=["kinds", "variables", "misfits", "sources", "fields", "keys", "equal keys"],
)  # fmt: skip
def test_more_errors_than_are_shown_are_told(text: str) -> None:
    assert f"these are the first {MAX_PROBLEMS}" in messages(text)
