"""The guide's promise: what it adds works with what it says, on a copy of the package."""

import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.layers import counting_tokens
from tests.layers.counting import Tally
from tests.layers.counting_numbers import Number, plain
from tests.running import ROOT, python

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NET = "input: [3, 4, 4]\nlayers:\n  - sine\n  - squared_relu: {repeat: 2}\n  - conv: {filters: 2, kernel: 3}\n"


def code(heading: str) -> list[str]:
    """The blocks of Python below a heading of the guide."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^##+ |\Z)", GUIDE, flags=re.MULTILINE | re.DOTALL)
    assert section is not None
    return re.findall(r"^```python\n(.*?)^```", section[1], flags=re.MULTILINE | re.DOTALL)


def edit(path: Path, before: str, more: str) -> None:
    """Put more text before a text that a file has; at its end where that is empty."""
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, more + before, 1) if before else f"{text}\n\n{more}", encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all that the guide adds in its examples."""
    root = tmp_path_factory.mktemp("tree")
    package = root / "archcalc"
    shutil.copytree(ROOT / "archcalc", package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "specs").symlink_to(ROOT / "specs")
    (root / "net.yaml").write_text(NET, encoding="utf-8")
    (sine,) = code("Add a layer kind")
    twin, squared_relu = code("A kind that PyTorch does not have")
    (figure,) = code("Add a figure")
    (convention,) = code("Add a convention")
    command, line = code("Add a command")
    edit(package / "layers/activation.py", "", sine)
    edit(package / "layers/piecewise.py", "", squared_relu)
    edit(package / "layers/__init__.py", "softplus softsign", "sine ")
    edit(package / "layers/__init__.py", "threshold", "squared_relu ")
    (package / "torch_backend/twins/squared_relu.py").write_text(twin, encoding="utf-8")
    edit(package / "engine/figures.py", "FLOPS = Figure(", figure)
    edit(package / "engine/figures.py", "        FLOPS,\n", "        MACS_PER_SAMPLE,\n")
    edit(package / "engine/conventions.py", "CONVENTIONS: Mapping", convention)
    edit(package / "engine/conventions.py", "LECTURE, TORCH)", "ARITHMETIC, ")
    (package / "cli/shapes.py").write_text(command, encoding="utf-8")
    edit(package / "cli/__init__.py", '        "graph":', line)
    return root


def run(tree: Path, *arguments: str) -> str:
    result = python("-m", "archcalc", *arguments, cwd=tree)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


def data(tree: Path, *arguments: str) -> Any:
    return json.loads(run(tree, *arguments, "--json"))


def test_kinds(tree: Path) -> None:
    layers = data(tree, "table", "net.yaml")["layers"]
    assert [row["kind"] for row in layers] == ["sine", "squared_relu", "squared_relu", "conv"]
    assert [row["name"] for row in layers] == ["sine", "squared_relu", "squared_relu_2", "conv1"]
    assert [row["ops"]["special"] for row in layers] == [48, 0, 0, 0]
    words = run(tree, "schema")
    assert '"sine"' in words
    assert '"squared_relu"' in words
    twin = "archcalc.torch_backend.twins.squared_relu.squared_relu"
    assert [data(tree, "kinds", kind)[0]["torch"] for kind in ("sine", "squared_relu")] == ["torch.sin", twin]
    for file in ("activation", "piecewise"):
        result = python("-m", "doctest", f"archcalc/layers/{file}.py", cwd=tree, PYTHONPATH=".")
        assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr


@pytest.mark.parametrize("x", [-1.5, 2.0])
def test_witnesses_of_kinds(x: float) -> None:
    (lines,) = code("Its witness")
    kinds = {"smooth": SimpleNamespace(Sine="sine"), "pieces": SimpleNamespace(SquaredReLU="squared_relu")}
    loops = eval(f"{{{lines}}}", {**vars(counting_tokens), **kinds})
    sine, squared_relu = Tally(), Tally()
    assert plain(loops["sine"](None, Number(x, sine))) == math.sin(x)
    assert plain(loops["squared_relu"](None, Number(x, squared_relu))) == max(0, x) ** 2
    assert (sine.ops, squared_relu.ops) == ({"special": 1}, {"comparisons": 1, "multiplications": 1})


def test_kinds_in_pytorch(tree: Path) -> None:
    pytest.importorskip("torch")
    (found,) = data(tree, "verify", "net.yaml", "--memory")["architectures"]
    assert found["verdict"] == "agrees"


def test_a_figure(tree: Path) -> None:
    found = data(tree, "table", "net.yaml", "--batch", "8")
    assert found["totals"]["macs_per_sample"] == found["layers"][-1]["macs_per_sample"] == 2 * 2 * 2 * 27
    assert "MACs/sample" in run(tree, "table", "net.yaml", "--columns", "layer,macs_per_sample")
    assert data(tree, "compare", "net.yaml", "net.yaml")["totals"]["macs_per_sample"] == [216, 216]
    assert "AC012" in run(tree, "rules")
    assert "macs_per_sample" in run(tree, "check", "--help")
    assert '"macs_per_sample"' in run(tree, "schema")
    assert "ok" in run(tree, "check", "net.yaml", "--max", "macs_per_sample=216")


def test_a_convention(tree: Path) -> None:
    found = data(tree, "table", "net.yaml", "--convention", "arithmetic")["layers"]
    assert [row["flops"] for row in found] == [48, 48, 48, 2 * 216 + found[-1]["ops"]["additions"]]
    assert '"arithmetic"' in run(tree, "schema")
    words = "".join(run(tree, "table", "--help").split())  # which breaks lines at hyphens, too
    assert "arithmetic:1FLOP=oneoperationofarithmetic,amultiply-addtwo." in words


def test_a_command(tree: Path) -> None:
    assert data(tree, "shapes", "net.yaml")[-1] == {"layer": "conv1", "output": [2, 2, 2]}
    assert run(tree, "shapes", "net.yaml").splitlines()[-1].split() == ["conv1", "2×2×2"]
    assert "Print the shape of every layer's output." in run(tree, "--help")
