"""Start-up stays quick because nothing is loaded before it is needed."""

import pytest

from tests.running import python

HEAVY = {"torch", "numpy", "sympy"}
PRETTY = {"rich", "rich_click", "tabulate"}


def loaded(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after this code."""
    process = python("-c", f"import sys\ntry:\n    {code}\nfinally:\n    print(*sys.modules, file=sys.stderr)")
    assert process.returncode == 0, process.stderr
    return {module.partition(".")[0] for module in process.stderr.split()}


def command(*arguments: str) -> str:
    return f"import archcalc.cli; archcalc.cli.main({list(arguments)!r})"


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import archcalc", HEAVY | PRETTY | {"yaml", "click", "msgspec"}),
        ("import archcalc; archcalc.analyze(archcalc.load('vgg16'))", HEAVY | PRETTY | {"click"}),
        (command("table", "vgg16"), HEAVY | PRETTY | {"yaml"}),
        (command("table", "resnet50"), HEAVY | PRETTY | {"yaml"}),
        (command("list"), HEAVY | PRETTY | {"yaml"}),
        (command("table", "vgg16", "--json"), HEAVY | PRETTY | {"yaml"}),
        (command("graph", "resnet50"), HEAVY | PRETTY),
        (command("graph", "resnet50", "--format", "dot"), HEAVY | PRETTY),
        (command("--version"), HEAVY | PRETTY | {"yaml", "msgspec"}),
        (command("--help"), HEAVY | PRETTY),
        (command("verify", "--help"), HEAVY | PRETTY),
        (command("bench", "--help"), HEAVY | PRETTY),
        (command("fits", "alexnet", "--on", "t4", "--train"), HEAVY | PRETTY | {"yaml"}),
        (command("roofline", "alexnet", "--on", "t4"), HEAVY | PRETTY | {"yaml"}),
        (command("devices"), HEAVY | PRETTY | {"yaml"}),
        (command("training", "alexnet"), HEAVY | PRETTY),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(code: str, unwanted: set[str]) -> None:
    assert not loaded(code) & unwanted


def test_kinds_that_a_network_does_not_have_are_not_loaded() -> None:
    process = python("-c", "import archcalc, sys; archcalc.analyze('vgg16'); print(*sys.modules)")
    loaded = set(process.stdout.split())
    assert {"archcalc.layers.conv", "archcalc.layers.pool"} <= loaded
    assert not {"archcalc.layers.attention", "archcalc.layers.norm", "archcalc.layers.merge"} & loaded


@pytest.mark.parametrize("module", ["yaml", "rich", "tabulate"])
def test_this_test_can_fail(module: str) -> None:
    assert module in loaded(f"import {module}; {command('--version')}")
    assert module in loaded(f"import archcalc, {module}")
