"""A network on several devices: AlexNet on two as in 2012, and what of that is known."""

import json
from pathlib import Path

import pytest

from archcalc.analysis import analyze, analyze_graph, graph_of
from archcalc.errors import SettingError
from archcalc.hardware.devices import device_named
from archcalc.hardware.fit import Training, Workload
from archcalc.hardware.placement import place
from archcalc.training.cost import training_cost
from tests.running import ROOT, piped
from tests.specs_helper import graph

TWO_GPUS = ROOT / "docs" / "alexnet-two-gpus.yaml"
CARDS = ["gpu1", "gpu2"]
GIB = 2**30
HALVES = """
name: halves
input: [64]
layers:
  - linear: {name: a.fc1, features: 32, from: input}
  - relu: {name: a.relu}
  - linear: {name: b.fc1, features: 32, from: input}
  - relu: {name: b.relu}
  - concat: {name: a.both, from: [a.relu, b.relu]}
  - linear: {name: a.fc2, features: 10}
  - concat: {name: b.both, from: [a.relu, b.relu]}
  - linear: {name: b.fc2, features: 10}
"""


def test_the_two_halves_are_the_network_of_2012() -> None:
    halves, whole = analyze(TWO_GPUS), analyze("alexnet-2012")
    assert halves.totals.params == whole.totals.params == 60_965_224
    assert halves.totals.macs == whole.totals.macs


def test_alexnet_on_two_cards() -> None:
    memory = device_named("gtx580-3gb").usable_bytes
    assert memory is not None
    found = place(graph_of(TWO_GPUS), CARDS, memory, batch=128, training=Training("momentum"))
    first, second = found.parts
    assert first.parameters == second.parameters == 4 * 60_965_224 // 2
    assert first.state == first.gradients == first.parameters
    whole = training_cost(*analyze_graph(TWO_GPUS, batch=128)).layers
    kept = [
        row.saved_bytes or 0 for row in whole if row.name.startswith("gpu1")
    ]  # the first of the two: with the image
    assert first.saved == second.saved == sum(kept)
    maps = {"pool2": 128 * 13 * 13, "drop5": 128 * 6 * 6, "drop6": 2048, "relu7": 2048}
    crossing = {one.layer: one.bytes for one in found.crossings}
    assert crossing == {
        f"{card}.{block}.{layer}": 4 * 128 * maps[layer]
        for card in CARDS
        for block, layer in (("a", "pool2"), ("b", "drop5"), ("c", "drop6"), ("d", "relu7"))
    }
    assert first.received == second.received == sum(crossing.values()) // 2
    # The normalization's backward pass is not known, so that this is never a yes.
    assert (first.at_most, found.verdict) == (None, "unknown")
    assert first.at_least == 2 * first.parameters + first.saved < memory


def test_each_half_fits_by_a_step_of_pytorch() -> None:
    """Both halves together have alive what PyTorch has, and each no more than that: measured at a small batch."""
    pytest.importorskip("torch")
    from archcalc.torch_backend.training import measure_step

    batch = 4
    network = graph_of(TWO_GPUS)
    _, alive = measure_step(network, device="cpu", batch=batch)
    found = place(network, CARDS, 3 * GIB, batch=batch, training=Training("momentum"))
    for part in found.parts:
        assert part.at_least <= part.parameters + part.state + alive + 2 * part.received < 3 * GIB


def test_what_is_known_is_a_yes_between_its_bounds() -> None:
    found = place(graph(HALVES), ["a", "b"], GIB, batch=16, training=Training("adam"))
    whole = training_cost(*analyze_graph(graph(HALVES), batch=16), optimizer="adam")
    part = found.parts[0]
    numbers = 64 * 32 + 32 + 64 * 10 + 10
    assert (part.parameters, part.gradients, part.layers) == (4 * numbers, 4 * numbers, 4)
    assert part.state == whole.optimizer_bytes // 2
    # The input, the output of the ReLU, and both halves joined.
    assert part.saved == 4 * 16 * (64 + 32 + 64)
    assert part.received == 4 * 16 * 32
    resident = part.parameters + part.state
    assert part.at_least == resident + max(part.gradients, part.saved)
    assert part.at_most == resident + whole.peak_step_bytes + 2 * part.received
    assert found.verdict == "yes"
    for memory, verdict in ((part.at_most, "yes"), (part.at_most - 1, "unknown"), (part.at_least - 1, "no")):
        assert place(graph(HALVES), ["a", "b"], memory, batch=16, training=Training("adam")).verdict == verdict


def test_one_card_that_has_all_is_the_whole() -> None:
    text = HALVES.replace("a.", "all.a.").replace("b.", "all.b.")
    part = place(graph(text), ["all"], GIB, batch=16, training=Training("adam")).parts[0]
    need = Workload(graph(text), training=Training("adam")).need(16)
    assert (part.at_most, part.received) == (need.bytes, 0)
    part = place(graph(text), ["all"], GIB, batch=16).parts[0]
    assert part.at_most == Workload(graph(text)).need(16).bytes


@pytest.mark.parametrize(
    ("cards", "training", "message"),
    [
        (["a"], None, "b.fc1 is on no card"),
        (["a", "b", "c"], None, "card 'c' has no layer"),
        (["a", "b", "a"], None, "card 'a' is given twice"),
        (["a", "b"], Training(checkpoint="a.fc1"), "checkpointing on several cards is not computed"),
    ],
)
def test_what_cannot_be_placed(cards: list[str], training: Training | None, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        place(graph(HALVES), cards, GIB, training=training)


def test_weights_of_another_card_are_refused() -> None:
    text = "input: [8]\nlayers: [{linear: {name: a.fc, features: 8}}, {linear: {name: b.fc, features: 8, tied: a.fc}}]"
    with pytest.raises(SettingError, match=r"b\.fc uses the weights of a\.fc, which is on another card"):
        place(graph(text), ["a", "b"], GIB)


def test_the_command(tmp_path: Path) -> None:
    arguments: list[str | Path] = [TWO_GPUS, "--on", "gtx580-3gb", "--cards", "gpu1,gpu2", "--train", "--batch", "128"]
    shown = piped("fits", *arguments, "--optimizer", "momentum", cwd=tmp_path)
    assert shown.returncode == 1
    assert shown.stdout.startswith("not known: alexnet-two-gpus on 2 of GeForce GTX 580 3 GB, 3.00 GiB each\n")
    assert "gpu1.a.pool2  gpu1  gpu2  11,075,584  10.6 MiB" in shown.stdout
    data = json.loads(piped("fits", *arguments, "--json", cwd=tmp_path).stdout)
    assert (data["fits"], [card["name"] for card in data["cards"]], len(data["crossings"])) == (None, CARDS, 8)
    assert piped("fits", TWO_GPUS, "--memory", "1GiB", "--cards", "gpu1, gpu2", cwd=tmp_path).returncode == 0
    assert piped("fits", TWO_GPUS, "--memory", "1MiB", "--cards", "gpu1,gpu2", cwd=tmp_path).returncode == 1
