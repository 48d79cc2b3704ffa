"""Folding batch norms: which can be, what the rest is told, and that the folded spec is one like any other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.graph.batchnorm_folding import BatchNormFolding, fold_batchnorms
from tests.running import on_terminal, piped
from tests.specs_helper import layers, spec


def folding(text: str) -> BatchNormFolding:
    graph, report = analyze_graph(spec(text))
    return fold_batchnorms(graph, [row.output for row in report.layers])


def kept(text: str) -> dict[str, str]:
    """Why each batch norm that stays does so."""
    found = folding(text)
    return {found.original.nodes[one.norm].name: one.reason for one in found.kept}


def shown(found: BatchNormFolding) -> list[tuple[str, tuple[str, ...]]]:
    """The names of the folded graph's layers, and what each reads."""
    nodes = found.graph.nodes
    return [(node.name, tuple(found.graph.name_of(i) for i in node.inputs)) for node in nodes]


@pytest.mark.parametrize(
    ("layer", "head"),
    [
        ("conv: {filters: 4, kernel: 3}", "input: [3, 8, 8]"),
        ("conv: {filters: 6, kernel: 3, groups: 3, bias: false}", "input: [3, 8, 8]"),
        ("conv1d: {filters: 4, kernel: 3, bias: false}", "input: [3, 8]"),
        ("conv3d: {filters: 4, kernel: 3}", "input: [3, 8, 8, 8]"),
        ("depthwise_conv: {kernel: 3, multiplier: 2, bias: false}", "input: [3, 8, 8]"),
        ("conv_transpose: {filters: 4, kernel: 2, stride: 2, bias: false}", "input: [3, 8, 8]"),
        ("conv_transpose1d: {filters: 4, kernel: 2}", "input: [3, 8]"),
        ("conv_transpose3d: {filters: 4, kernel: 2}", "input: [3, 8, 8, 8]"),
        ("linear: {features: 5, bias: false}", "input: [3]"),
        ("linear: {features: 5, channels_last: true}", "input: [3]"),
    ],
)
def test_what_gives_each_channel_weights_of_its_own_takes_a_norm(layer: str, head: str) -> None:
    found = folding(layers(layer, "batchnorm", "relu", head=head))
    first, second = found.graph.nodes
    original = found.original.nodes
    assert (first.name, getattr(first.layer, "bias"), second.inputs) == (original[0].name, True, (1,))  # noqa: B009
    fields = (name for name in first.layer.__struct_fields__ if name != "bias")
    assert all(getattr(first.layer, name) == getattr(original[0].layer, name) for name in fields)


CONV = "conv: {name: c, filters: 3, kernel: 1}"


@pytest.mark.parametrize(
    ("lines", "reasons"),
    [
        (["batchnorm"], {"bn": "it reads the network's input"}),
        (["relu", "batchnorm"], {"bn": "it follows relu (relu), which is not a convolution or linear layer"}),
        (
            [CONV, "relu", "batchnorm: {from: c}", "add: {from: [bn1, c]}"],
            {"bn1": "c is also read by relu1, add1"},
        ),
        (
            [CONV, "batchnorm", "add: {from: [c, c]}", *["relu: {from: c}"] * 4],
            {"bn1": "c is also read by add1, relu1, relu1_2 and 2 more"},
        ),
        ([CONV, "batchnorm: {train_only: true}"], {"bn1": "it runs only in training mode"}),
        (
            [CONV, "batchnorm", CONV.replace("name: c", "name: d, tied: c"), "batchnorm"],
            {"bn1": "the weights of c are also used by d", "bn2": "d uses the weights of c"},
        ),
        (
            [CONV, "batchnorm: {name: a}", CONV.replace("name: c", "name: d"), "batchnorm: {name: b, tied: a}"],
            {"a": "its weights are also used by b", "b": "it uses the weights of a"},
        ),
        ([CONV, "groupnorm: 3", "instancenorm: {track: true}"], {}),
    ],
)
def test_what_stays_is_told_why(lines: list[str], reasons: dict[str, str]) -> None:
    found = folding(layers(*lines))
    assert kept(layers(*lines)) == reasons
    assert (len(found.folds), found.norms) == (0, len(reasons))
    assert [node.layer for node in found.graph.nodes] == [node.layer for node in found.original.nodes]


def test_a_norm_over_another_axis_than_the_features_stays() -> None:
    said = "fc1 has its features along the last axis, and the norm its channels along the first"
    assert kept(layers("linear: 4", "batchnorm", head="input: [4, 4]")) == {"bn1": said}
    last = layers("linear: {features: 4, channels_last: true}", "batchnorm", head="input: [4, 4, 4]")
    assert kept(last) == {"bn1": said}


def test_two_norms_in_a_row_are_both_folded() -> None:
    found = folding(layers(CONV, "batchnorm", "batchnorm", "relu"))
    assert shown(found) == [("c", ("input",)), ("relu1", ("c",))]
    assert [(fold.norm, fold.into) for fold in found.folds] == [(1, 0), (2, 0)]
    assert (found.places, found.holders()) == ((2, 3), (0, 3))
    second_read = folding(layers(CONV, "batchnorm", "batchnorm", "add: {from: [bn1, bn1_2]}"))
    assert shown(second_read) == [("c", ("input",)), ("bn1_2", ("c",)), ("add1", ("c", "bn1_2"))]
    assert [one.reason for one in second_read.kept] == ["bn1 is also read by add1"]


def test_what_read_the_norm_reads_the_layer() -> None:
    text = layers(CONV, "batchnorm: {name: n}", "relu", "add: {from: [n, relu1]}", "linear: {features: 2, tied: d}")
    text = text.replace("  - linear", "  - flatten\n  - linear: {name: d, features: 2}\n  - relu\n  - linear")
    text = text.replace("features: 2, tied", "features: 2, from: flatten, tied")
    found = folding(text)
    assert shown(found)[:3] == [("c", ("input",)), ("relu1", ("c",)), ("add1", ("c", "relu1"))]
    assert found.graph.nodes[-1].tied == 4
    assert found.graph.nodes[4].name == "d"


def test_the_last_layer_stays_the_last() -> None:
    """A branch that runs between the convolution and its norm does not become the output."""
    text = layers(CONV, "conv: {name: beside, filters: 5, kernel: 1, from: input}", "batchnorm: {from: c}")
    assert shown(folding(text)) == [("beside", ("input",)), ("c", ("input",))]


@pytest.mark.parametrize("name", archcalc.names())
def test_every_batch_norm_is_folded_or_stays_with_a_reason(name: str) -> None:
    graph, report = analyze_graph(archcalc.load(name))
    found = fold_batchnorms(graph, [row.output for row in report.layers])
    norms = [i for i, node in enumerate(graph.nodes) if node.layer.kind == "batchnorm"]
    assert sorted([fold.norm for fold in found.folds] + [one.norm for one in found.kept]) == norms
    assert len(found.graph.nodes) == len(graph.nodes) - len(found.folds)
    assert len({node.name for node in found.graph.nodes}) == len(found.graph.nodes)


def totals(*arguments: str, stdin: str | None = None) -> dict[str, Any]:
    result = piped("table", *arguments, "--json", stdin=stdin)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)["totals"]
    return found


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "mobilenet_v3_small", "inception_v3", "lenet5"])
def test_the_folded_spec_is_one_like_any_other(tmp_path: Path, name: str) -> None:
    """The figures of the spec that was written are those told beside it, and follow from what batch norms hold."""
    data = json.loads(piped("fold", name, "--format", "json", "--batch", "2").stdout)
    written = tmp_path / "folded.yaml"
    result = piped("fold", name, "-o", written)
    assert (result.returncode, result.stdout) == (0, "")
    found = totals(str(written), "--batch", "2")
    assert found == {key: value for key, value in data["after"].items() if key != "layers"}
    assert data["after"]["layers"] == data["before"]["layers"] - len(data["folded"])

    report = archcalc.analyze(archcalc.load(name), batch=2)
    norms = [report.layer(fold["norm"]) for fold in data["folded"]]
    holders = {fold["into"]: report.layer(fold["into"]) for fold in data["folded"]}
    channels = sum(row.output[0] for row in norms)
    got_a_bias = sum(row.output[0] for row in holders.values() if not row.fields["bias"])
    assert data["before"]["params"] - found["params"] == 2 * channels - got_a_bias
    assert data["before"]["buffers"] - found["buffers"] == 2 * channels + len(norms)
    assert data["before"]["memory_bytes"] - found["memory_bytes"] == sum(row.memory_bytes for row in norms)
    assert data["before"]["macs"] == found["macs"]


def test_settings_reach_the_folded_spec() -> None:
    result = piped("fold", "resnet18", "--input", "3x64x64", "--set", "classes=7")
    assert 'batch norms folded"' in result.stdout.splitlines()[1]
    assert "input 3×64×64" in result.stderr
    assert "20 of 20 batch norms folded" in result.stderr
    again = totals("-", stdin=result.stdout)
    assert again["macs"] == totals("resnet18", "--input", "3x64x64", "--set", "classes=7")["macs"]


TOO_LONG = """\
error: the graph cannot be written as a spec: more than 100,000 values, aliases counted in full
  hint: choose other names, or write a smaller network
"""


def deep(folder: Path, times: int) -> Path:
    file = folder / "deep.yaml"
    repeated = f"sequence: {{repeat: {times}, layers: [{{conv: {{filters: 3, kernel: 1}}}}, batchnorm]}}"
    file.write_text(layers(repeated, head="input: [3, 2, 2]"))
    return file


@pytest.mark.parametrize("command", [("fold",), ("show", "--flat")])
def test_a_spec_that_is_too_long_to_be_read_again_is_not_written(command: tuple[str, ...], tmp_path: Path) -> None:
    result = piped(*command, deep(tmp_path, 12_000), "-o", tmp_path / "folded.yaml")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", TOO_LONG)
    assert not (tmp_path / "folded.yaml").exists()


def test_the_longest_spec_that_is_written_is_read_again(tmp_path: Path) -> None:
    result = piped("fold", deep(tmp_path, 11_109), "-o", tmp_path / "folded.yaml")
    assert (result.returncode, result.stderr.splitlines()[5].split()) == (0, ["layers", "22,218", "11,109", "-11,109"])
    assert totals(str(tmp_path / "folded.yaml"))["macs"] == 11_109 * 3 * 3 * 2 * 2
    assert piped("fold", deep(tmp_path, 11_110)).stderr == TOO_LONG


def test_a_network_of_any_length_says_what_folds(tmp_path: Path) -> None:
    result = piped("fold", deep(tmp_path, 12_000), "--format", "json")
    assert json.loads(result.stdout)["after"]["layers"] == 12_000


def test_a_spec_without_batch_norms_stays_as_it_is() -> None:
    result = piped("fold", "lenet5")
    assert result.stdout == piped("show", "lenet5", "--flat").stdout
    assert "0 of 0 batch norms folded" in result.stderr


def test_the_list_of_what_was_folded() -> None:
    text = layers(CONV, "batchnorm", "relu", 'batchnorm: {name: "late\\e[31m"}')
    result = piped("fold", "-", "--format", "table", stdin=text)
    assert (result.returncode, result.stderr) == (0, "")
    assert "bn1            4  c            conv\n" in result.stdout
    assert r"late\x1b[31m (line 6) stays: it follows relu1 (relu), which is no" in result.stdout
    assert "params                   24     18      -6\n" in result.stdout


def test_no_line_of_the_table_is_wider_than_the_terminal() -> None:
    seen = on_terminal("fold", "resnet18", "--format", "table", columns=50, NO_COLOR="1")
    assert max(map(len, re.sub(r"\x1b\[\d*m", "", seen).splitlines())) <= 50
    assert "11,689,512" in seen


def test_the_format_goes_by_the_ending(tmp_path: Path) -> None:
    file = tmp_path / "folding.json"
    assert piped("fold", "resnet18", "-o", file).returncode == 0
    data = json.loads(file.read_text())
    assert (data["folded"][0], data["kept"]) == ({"norm": "bn1", "into": "conv1"}, [])


def test_a_spec_in_error_is_not_folded() -> None:
    result = piped("fold", "-", stdin=layers("cnov: 3"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "unknown kind 'cnov'" in result.stderr
