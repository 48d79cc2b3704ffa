"""`archcalc training`: its formats, its figures and its errors."""

import json

import pytest

from tests.running import piped

TRAIN = ("training", "alexnet", "--batch", "128", "--optimizer", "momentum")


def test_the_ladder_of_alexnet() -> None:
    data = json.loads(piped(*TRAIN, "--json").stdout)
    assert data["memory"] == {
        "parameter_bytes": 244_403_360,
        "master_bytes": 0,
        "buffer_bytes": 0,
        "optimizer_bytes": 244_403_360,
        "gradient_bytes": 244_403_360,
        "saved_bytes": 479_868_416,
        "held_bytes": 480_380_416,
        "peak_step_bytes": 732_456_352,
    }
    assert data["peak_is_exact"]
    assert data["totals"]["backward_macs"] == 174_166_900_736
    first = data["layers"][0]
    assert first["forward_macs"] == first["backward_macs"]  # no gradient of the network's input
    assert data["run"] is None


def test_a_whole_run() -> None:
    data = json.loads(piped(*TRAIN, "--images", "1.28M", "--epochs", "90", "--views", "10", "--json").stdout)
    assert data["run"] == {
        "images": 1_280_000,
        "epochs": 90,
        "views": 10,
        "steps": 900_000,
        "macs": 239_321_795_788_800_000,
        "test_macs": 7_167_672_320,
    }


@pytest.mark.parametrize("form", ["markdown", "latex", "html", "table"])
def test_formats(form: str) -> None:
    result = piped(*TRAIN, "--format", form)
    assert result.returncode == 0
    assert "momentum" in result.stdout


def test_checkpointing_and_freezing_are_said() -> None:
    text = piped("training", "resnet18", "--checkpoint", "blocks", "--freeze", "conv1,bn1").stdout
    assert "checkpoint blocks" in text
    assert "2 layers frozen" in text
    assert "at least" in text
    assert "once more" in text


ERRORS = {
    ("alexnet", "--optimizer", "adm"): "unknown optimizer 'adm'",
    ("resnet18", "--freeze", "lyer1"): "resnet18 has no layer 'lyer1'",
    ("resnet18", "--checkpoint", "layr1"): "resnet18 has no layer 'layr1'",
    ("alexnet", "--checkpoint", "blocks"): "alexnet has no blocks",
    ("alexnet", "--epochs", "3"): "--epochs and --views are of a whole training",
    ("alexnet", "--master-weights"): "master weights are for dtypes of 16 bits, got float32",
    ("inception_v3", "--input", "3x75x75"): "runs in training and does not fit its input",
}


@pytest.mark.parametrize("arguments", ERRORS, ids=" ".join)
def test_bad_input(arguments: tuple[str, ...]) -> None:
    result = piped("training", *arguments)
    assert result.returncode == 2
    assert ERRORS[arguments] in result.stderr
    assert "hint" in result.stderr


def test_checkpoint_needs_training_in_verify() -> None:
    result = piped("verify", "lenet5", "--checkpoint", "C1")
    assert result.returncode == 2
    assert "--checkpoint needs --training" in result.stderr
