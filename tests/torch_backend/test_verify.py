"""archcalc verify: two witnesses that agree, and what it says and does where they do not."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.evidence.layer_agreement import MEASURED, NOT_RUN, LayerAgreement, Measurement, compare, summary
from archcalc.layers.conv import Conv2d
from archcalc.layers.pool import MaxPool2d
from archcalc.spec.expand import expand
from tests.running import on_terminal, piped, python
from tests.specs_helper import graph, layers, report

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.verify")
devices = pytest.importorskip("archcalc.torch_backend.devices")

TINY = layers(
    "conv: {filters: 4, kernel: 3, pad: 1}",
    "batchnorm",
    "residual: {main: [relu]}",
    "global_avgpool",
    "flatten",
    "linear: {name: head, features: 3}",
)
PLANT = """
import sys
from archcalc.layers.linear import Linear
from archcalc.layers.core.base import Params
Linear.params = lambda self, x: Params(weights=1)
from archcalc.cli import main
main(sys.argv[1:])
"""
NO_TORCH = """
import sys
sys.modules["torch"] = None
from archcalc.cli import main
main(sys.argv[1:])
"""


def verified(text: str, **settings: Any) -> LayerAgreement:
    found: LayerAgreement = backend.verify(graph(text), report(text), **{"device": "cpu", **settings})
    return found


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "mobilenet_v3_small", "resnet18"])
def test_shipped_architectures_agree(name: str) -> None:
    architecture = archcalc.load(name)
    found = backend.verify(expand(architecture)[0], archcalc.analyze(architecture), device="cpu")
    assert (found.verdict, found.checked) == ("agrees", len(MEASURED) * len(found.report.layers))


def wrong(rule: Callable[..., Any], **changes: Any) -> Callable[..., Any]:
    """A rule with these parts of its answer changed."""
    return lambda *args: msgspec.structs.replace(rule(*args), **changes)


@pytest.mark.parametrize(
    ("cls", "rule", "planted", "figures"),
    [
        (Conv2d, "ops", wrong(Conv2d.ops, macs=1), {"macs"}),
        (Conv2d, "params", wrong(Conv2d.params, biases=0), {"params"}),
        (Conv2d, "params", wrong(Conv2d.params, buffers=1), {"buffers"}),
        (MaxPool2d, "output", lambda *_: (4, 3, 3), {"output", "memory_bytes"}),
        (Conv2d, "ops", lambda *_: None, set()),
    ],
)
def test_a_planted_wrong_rule_is_found(
    monkeypatch: pytest.MonkeyPatch, cls: type, rule: str, planted: Any, figures: set[str]
) -> None:
    text = layers("conv: {filters: 4, kernel: 3, pad: 1}", "relu", "maxpool: 2")
    assert verified(text).verdict == "agrees"
    monkeypatch.setattr(cls, rule, planted)
    found = verified(text)
    assert {c.figure for layer in found.layers for c in layer.of("differs")} == figures
    assert found.verdict == ("differs" if figures else "agrees")
    unknown = 0 if figures else 1
    assert (found.checked, found.count("not checkable")) == (found.figures - unknown, unknown)
    assert sum(summary([found])["not_checkable"].values()) == unknown


def test_a_refusal_by_pytorch_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MaxPool2d, "output", lambda *_: (3, 1, 1))
    found = verified(layers("maxpool: {name: big, kernel: 99}"))
    assert (found.verdict, found.refused, found.checked, found.figures) == ("differs", True, 0, 5)
    assert found.failure.startswith("big (line 3): PyTorch rejects torch.nn.MaxPool2d: ")


def test_what_cannot_be_compared_says_why() -> None:
    text = layers("conv: {filters: 4, kernel: 1}", "relu")
    unlike = Measurement((1, 4, 8, 8), 1024, "float32", 16, 0, None, "no counter")
    conv, relu = compare(report(text), [unlike, Measurement((1, 4, 8, 8), 1024, "float32", 0, 0, 0)])
    assert [(c.figure, c.verdict, c.reason) for c in conv.comparisons if c.verdict == "not checkable"] == [
        ("macs", "not checkable", "no counter"),
    ]
    assert (conv.verdict, relu.verdict) == ("agrees", "agrees")


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (False, {"output": NOT_RUN}),
        (
            True,
            dict.fromkeys(
                ("memory_bytes", "macs"), "archcalc's figures are those of eval mode, where the layer does not run"
            ),
        ),
    ],
)
def test_of_a_layer_that_runs_in_training_alone_the_parameters_are_compared(
    train: bool, expected: dict[str, str]
) -> None:
    text = layers("linear: {name: aux, features: 2, train_only: true}", "linear: 3", head="input: [4]")
    aux, main = verified(text, train=train).layers
    assert {c.figure: c.reason for c in aux.of("not checkable")} == expected
    assert not aux.of("differs")
    assert not main.of("not checkable")


def test_what_does_not_fit_the_memory_runs_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "free_memory", lambda _: 1000)
    monkeypatch.setattr(backend, "chosen_device", lambda device: "cpu" if device == "auto" else device)
    found = verified(TINY, device="auto")
    assert (found.verdict, found.device) == ("agrees", "meta")
    assert found.note.startswith("it needs about ")
    refused = verified(TINY, device="cpu")
    assert (refused.verdict, refused.device) == ("could not run", "cpu")
    assert refused.failure.endswith("the meta device of `archcalc verify` takes none")
    monkeypatch.setattr(backend, "free_memory", lambda _: 4 * refused.report.totals.params + 10_000)
    assert verified(TINY, device="cpu").verdict == "agrees"


def test_the_guess_of_memory_covers_what_is_alive() -> None:
    found = report(TINY)
    assert backend.memory_needed(found) > 4 * found.totals.params + 2 * found.layers[0].memory_bytes


def test_a_device_that_is_not_there_is_an_error() -> None:
    missing = next(device for device in ("mps", "cuda") if not getattr(torch, device).is_available())
    with pytest.raises(ArchcalcError, match=f"no {missing} device"):
        verified(TINY, device=missing)
    assert all(devices.environment("cpu").values())


def test_a_table_and_exit_0_where_all_agrees(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    result = piped("verify", "lenet5", path, "--device", "cpu", "--batch", "2", "--seed", "3")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"torch {torch.__version__} on ")
    assert lines[0].endswith(" · batch 2 · float32 · eval mode")
    assert lines[5].split()[:4] == ["lenet5", "12", "60", "100"]
    assert lines[6].split()[0] == "tiny"
    assert lines[-1] == "agrees ×2; 95 of 95 figures checked (100 %)"


def test_every_layer_of_one_architecture() -> None:
    result = piped("verify", "lenet5", "--layers", "--device", "meta", "--set", "classes=7", "--input", "1x28x28")
    assert result.returncode == 2
    result = piped("verify", "lenet5", "--layers", "--device", "meta")
    row = next(line for line in result.stdout.splitlines() if line.startswith("C1"))
    assert row.split() == ["C1", "conv", "1×6×28×28", "18,816", "156", "0", "117,600", "agrees"]


def test_exit_1_and_the_figures_where_something_differs() -> None:
    result = python("-c", PLANT, "verify", "lenet5", "alexnet", "--device", "meta")
    assert (result.returncode, result.stderr) == (1, "")
    assert [line.split() for line in result.stdout.splitlines() if line.startswith("lenet5")] == [
        ["lenet5", "F6", "linear", "18", "params", "1", "10,164"],
        ["lenet5", "output", "linear", "20", "params", "1", "850"],
        ["lenet5", "12", "60", "100", "meta", *result.stdout.splitlines()[-4].split()[5:6], "differs:", "2", "figures"],
    ]


def test_json_says_what_it_was_taken_with(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    result = python("-c", PLANT, "verify", "lenet5", "--device", "meta", "--json", "--output", path)
    assert (result.returncode, result.stdout) == (1, "")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["environment"].keys() == {"device", "device_name", "torch", "python", "platform"}
    assert found["environment"]["torch"] == torch.__version__
    assert found["settings"] == {
        "device": "meta",
        "batch": 1,
        "dtype": "float32",
        "seed": 0,
        "train": False,
        "memory": False,
        "vars": {},
    }
    assert found["summary"]["verdicts"] == {"differs": 1}
    assert found["summary"]["differ"] == 2
    layer = next(layer for layer in found["architectures"][0]["layers"] if layer["name"] == "F6")
    assert (layer["verdict"], layer["differs"]) == ("differs", {"params": {"computed": 1}})
    assert layer["measured"]["params"] == 10164


def test_exit_2_where_a_model_cannot_be_run() -> None:
    result = piped("verify", "-", "--train", "--device", "cpu", stdin="input: [3]\nlayers: [batchnorm]\n")
    assert result.returncode == 2
    assert "could not run" in result.stdout
    assert "PyTorch failed: Expected more than 1 value per channel" in result.stdout


def test_a_terminal_sees_the_table_and_no_rest_of_the_progress_bar() -> None:
    shown = on_terminal("verify", "lenet5", "alexnet", "--device", "meta", columns=60, NO_COLOR="1")
    assert "agrees ×2; 165 of 165 figures checked (100 %)" in shown
    assert "1/2" in shown or "0/2" in shown  # while it ran
    table = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.rpartition("torch ")[2])
    assert max(map(len, table.splitlines())) <= 60


def test_without_pytorch_it_says_how_to_get_it() -> None:
    result = python("-c", NO_TORCH, "verify", "lenet5")
    expected = 'error: PyTorch is not installed\n  hint: pip install "archcalc[torch]"\n'
    assert (result.returncode, result.stdout, result.stderr) == (2, "", expected)


@pytest.mark.parametrize("arguments", [(), ("lenet5", "--all"), ("--layers", "--all")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = piped("verify", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
