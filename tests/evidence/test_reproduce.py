"""Published figures: every one agrees or is a misprint that is explained, and a wrong rule is caught."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from archcalc.errors import ArchcalcError, SettingError, SpecError
from archcalc.evidence.claim_metrics import Computer
from archcalc.evidence.claim_verdicts import judge
from archcalc.evidence.claims import claims_schema, find_claims, source_names
from archcalc.layers.conv import Conv2d
from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.core.base import Ops
from archcalc.training.initialisation import MEAN_SQUARE_KEPT, preserving_std
from tests.running import ROOT, piped

# What the slides print wrongly, each with the value that is right (the lecture's own arithmetic, done again).
MISPRINTS = {
    "alexnet.conv4.flop_m": (145, 150),
    "alexnet.fc6.params_k": (37749, 37753),
    "alexnet.fc7.params_k": (16777, 16781),
    "alexnet.fc8.params_k": (4096, 4097),
    "steps.fc6.params": (37725832, 37752832),
    "totals.alexnet.memory": (1.9, 2.3),
    "totals.vgg16.memory": (48.6, 51.7),
    "totals.vgg16.flops": (13.6, 15.5),
    "ratio.memory": (25, 25.6),
    "vgg.growth": ("2 2 2 2", "2 2 2 1"),
    "vgg16.stages": (
        "conv-conv-pool conv-conv-pool conv-conv-pool conv-conv-conv-pool conv-conv-conv-pool",
        "conv-conv-pool conv-conv-pool conv-conv-conv-pool conv-conv-conv-pool conv-conv-conv-pool",
    ),
    "vgg19.stages": (
        "conv-conv-pool conv-conv-pool conv-conv-pool conv-conv-conv-conv-pool conv-conv-conv-conv-pool",
        "conv-conv-pool conv-conv-pool conv-conv-conv-conv-pool conv-conv-conv-conv-pool conv-conv-conv-conv-pool",
    ),
    "alexnet-2012.conv1.neurons": (253440, 290400),
    "initialisation.msra.std": ("2/sqrt(Din)", "sqrt(2/Din)"),
    "activations.msra": ("just right", "exploding"),
}


def claims(tmp_path: Path, text: str) -> str:
    path = tmp_path / "claims.yaml"
    path.write_text(f"name: mine\ntitle: t\nsource: s\n{text}", encoding="utf-8")
    return str(path)


def test_every_figure_of_the_lecture_agrees_or_is_a_known_misprint() -> None:
    result = piped("reproduce", "lecture", "--json")
    found = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    misprints = {c["id"]: (c["published"], c["correct"]) for c in found["claims"] if c["verdict"] == "misprint"}
    assert misprints == MISPRINTS
    assert all(c["note"] for c in found["claims"] if c["verdict"] == "misprint")
    assert found["summary"] == {
        "agrees": len(found["claims"]) - len(MISPRINTS),
        "misprint": len(MISPRINTS),
        "differs": 0,
        "skipped": 0,
    }
    assert {"id", "source", "published", "computed", "verdict", "note"} <= found["claims"][0].keys()


def test_the_text_names_each_misprint_and_why() -> None:
    text = piped("reproduce").stdout
    assert all(f"misprint  {claim}" in text for claim in MISPRINTS)
    assert "the column leaves out the 4,096 biases" in text
    assert "lecture: Convolutional Networks II" in text
    everything = piped("reproduce", "--all").stdout
    assert "agrees    steps.conv1.flops" in everything


def test_a_wrong_rule_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets_the_channels(self: Conv2d, x: Shape, y: Shape) -> Ops:
        return Ops(macs=y[0] * y[1] * y[2] * 9)

    monkeypatch.setattr(Conv2d, "ops", forgets_the_channels)
    computer = Computer()
    verdicts = {claim.id: judge(claim, computer).verdict for claim in find_claims("lecture")[0].all_claims()}
    assert verdicts["steps.conv1.flops"] == "differs"
    assert verdicts["symbolic.one-5x5.flops"] == "differs"
    assert verdicts["alexnet.conv4.flop_m"] == "differs"
    assert verdicts["steps.conv1.params"] == "agrees"


@pytest.mark.parametrize(
    ("claim", "verdict", "note"),
    [
        ("published: 784, metric: memory, unit: KB", "agrees", ""),
        ("published: 784.0, metric: memory, unit: KB", "agrees", ""),
        ("published: 783, metric: memory, unit: KB", "differs", ""),
        ("published: 23.3, metric: params, unit: k", "agrees", ""),
        ("published: 23.2, metric: params, unit: k", "differs", ""),
        ("published: 783, metric: memory, unit: KB, misprint: {correct: 784, why: x}", "misprint", "x"),
        (
            "published: 784, metric: memory, unit: KB, misprint: {correct: 785, why: x}",
            "differs",
            "declared a misprint, but it agrees",
        ),
        (
            "published: 783, metric: memory, unit: KB, misprint: {correct: 785, why: x}",
            "differs",
            "declared a misprint of 785, which is not the computed value either",
        ),
        (
            "published: 783, metric: memory, unit: KB, misprint: {correct: 784, why: x, "
            "printed_is: {architecture: alexnet, layers: conv2, metric: memory, unit: KB}}",
            "differs",
            "the figure that its misprint says was printed is computed as 546.75",
        ),
    ],
)
def test_verdicts(tmp_path: Path, claim: str, verdict: str, note: str) -> None:
    path = claims(tmp_path, f"claims:\n  - {{id: c, where: w, architecture: alexnet, layers: conv1, {claim}}}\n")
    judged = judge(find_claims(path)[0].all_claims()[0], Computer())
    assert (judged.verdict, judged.note) == (verdict, note)
    assert piped("reproduce", path).returncode == (1 if verdict == "differs" else 0)


def test_a_formula_that_is_wrong_shows_where(tmp_path: Path) -> None:
    spec = "{vars: {C: 1}, input: [C, 5, 5], layers: [{conv: {filters: C, kernel: 3, bias: false}}]}"
    path = claims(
        tmp_path,
        f'claims:\n  - {{id: c, where: w, published: "8*C**2+C", metric: params, spec: {spec}, at: {{C: [1, 2]}}}}\n',
    )
    judged = judge(find_claims(path)[0].all_claims()[0], Computer())
    assert judged.verdict == "differs"
    assert judged.computed == "36 at C=2, where the formula gives 34"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims:\n  - {id: c, where: w}\n", "5:5: error: Object missing required field `published`"),
        ("claims:\n  - {id: c, where: w, published: 1, metrik: params}\n", "unknown field `metrik`"),
        ("claims:\n  - {id: c, where: w, published: 1}\n", "claim c needs either architecture or spec"),
        ("claims: 7\n", "Expected `array`, got `int`"),
        (
            "claims:\n  - {id: c, where: w, published: 1, architecture: alexnet}\n"
            "  - {id: c, where: w, published: 1, architecture: alexnet}\n",
            "duplicate claim id 'c'",
        ),
        (
            "tables:\n  - {id: t, where: w, architecture: alexnet, "
            "columns: {a: {metric: params}}, rows: {conv1: [1, 2]}}\n",
            "row conv1 has 2 cells for 1 columns",
        ),
    ],
)
def test_a_claim_file_that_is_wrong_says_where(tmp_path: Path, text: str, message: str) -> None:
    result = piped("reproduce", claims(tmp_path, text))
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("architecture: alexnet, layers: conv9", "claim c: alexnet has no layer 'conv9'"),
        ("architecture: alxnet", "claim c: no architecture or file named 'alxnet'"),
        ("architecture: alexnet, metric: parms", "claim c: conv1 has no 'parms'"),
        ("architecture: alexnet, unit: parsec", "claim c: unknown unit 'parsec'"),
        ("architecture: alexnet, bound: about 3", "claim c: bound must be"),
        ("architecture: alexnet, kinds: [lstm]", "claim c: alexnet has no layer of kind lstm"),
        ("architecture: alexnet, layers: fc6, metric: variance_gain, std: 1, activation: gelu", "activation must be"),
    ],
)
def test_a_claim_that_cannot_be_computed_says_why(tmp_path: Path, fields: str, message: str) -> None:
    path = claims(tmp_path, f"claims:\n  - {{id: c, where: w, published: 1, {fields}}}\n")
    with pytest.raises(SettingError) as error:
        judge(find_claims(path)[0].all_claims()[0], Computer())
    assert message in str(error.value)


def test_sources_are_found_by_name_file_and_folder(tmp_path: Path) -> None:
    path = claims(tmp_path, "claims:\n  - {id: c, where: w, published: 61, unit: M, architecture: alexnet}\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "lecture" in source_names()
    assert find_claims(str(tmp_path))[0].name == find_claims(path)[0].name == "mine"
    with pytest.raises(SpecError, match="did you mean lecture"):
        find_claims("lectur")
    with pytest.raises(ArchcalcError, match="no claim file"):
        find_claims(str(empty))


@pytest.mark.parametrize(
    ("source", "claims", "misprints"),
    [("torchvision", 172, 0), ("papers", 64, 3), ("transformers", 28, 0), ("diffusers", 2, 0)],
)
def test_the_figures_of_papers_and_of_torchvision(source: str, claims: int, misprints: int) -> None:
    computer = Computer()
    (file,) = find_claims(source)
    verdicts = [judge(claim, computer).verdict for claim in file.all_claims()]
    assert (len(verdicts), verdicts.count("misprint")) == (claims, misprints)
    assert set(verdicts) <= {"agrees", "misprint"}


@pytest.mark.parametrize("name", source_names())
def test_shipped_claims_meet_their_schema(name: str) -> None:
    path = ROOT / "specs" / "published" / f"{name}.yaml"
    jsonschema.Draft202012Validator(claims_schema()).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("activation", list(MEAN_SQUARE_KEPT))
def test_the_preserving_std_keeps_the_variance_of_a_real_net(activation: str) -> None:
    np = pytest.importorskip("numpy")
    rng, width = np.random.default_rng(0), 1024
    # Small inputs, for which tanh is linear: that is where its share of the mean square is 1.
    x = rng.standard_normal((64, width)) * 0.01
    functions = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
    sums = []
    for _ in range(6):
        z = x @ (rng.standard_normal((width, width)) * preserving_std(width, activation))
        sums.append(float((z**2).mean()))
        x = functions[activation](z)
    assert sums[-1] / sums[0] == pytest.approx(1, abs=0.25)
