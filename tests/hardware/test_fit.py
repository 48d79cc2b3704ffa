"""What fits: the largest batch against a scan over batches, verdicts, and what would make a network fit."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archcalc.analysis import analyze, graph_of
from archcalc.errors import ArchcalcError, SettingError
from archcalc.hardware.fit import Need, Training, Workload, fit, largest_batch
from archcalc.spec.catalogue import names
from tests.engine.composition import networks
from tests.running import on_terminal, piped
from tests.specs_helper import graph

GIB = 2**30
NETWORKS = int(os.environ.get("ARCHCALC_RANDOM_NETWORKS", "150"))
SCANNED = 24
WAYS = (None, Training("adam"), Training("momentum", checkpoint="n3"))


def workload(text: str, how: Training | None) -> Workload:
    """Of a drawn network; assumes that it can be trained that way."""
    found = Workload(graph(text), training=how)
    try:
        found.need(1)
    except ArchcalcError:
        assume(False)
    return found


@settings(max_examples=NETWORKS, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks(), st.sampled_from(WAYS), st.integers(-1, SCANNED), st.integers(-1, 1))
def test_the_largest_batch_is_that_of_a_scan(text: str, how: Training | None, near: int, off: int) -> None:
    found = workload(text, how)
    scanned = [found.need(batch).bytes for batch in range(1, SCANNED + 1)]
    assert scanned == sorted(scanned)  # what the search holds for
    available = scanned[max(near, 1) - 1] + off
    by_scan = sum(needed <= available for needed in scanned)
    largest = Workload(found.graph, training=how).largest_batch(available)
    if by_scan < SCANNED:
        assert largest == by_scan
    else:
        assert largest >= by_scan
        assert found.need(largest).bytes <= available
    assert found.need(largest + 1).bytes > available or found.need(SCANNED).bytes == found.need(10**9).bytes


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5000)), min_size=1, max_size=6),
    st.integers(0, 10**6),
    st.integers(1, 10**4),
)
def test_the_search_on_lines_that_become_steeper(lines: list[tuple[int, int]], available: int, most: int) -> None:
    asked = list[int]()

    def needed(batch: int) -> int:
        asked.append(batch)
        return max(slope * batch + start for slope, start in lines)

    found = largest_batch(needed, available, most)
    assert found == sum(needed(batch) <= available for batch in range(1, most + 1))
    assert max(asked[: len(asked) - most], default=1) <= max(most, 2)
    assert len(asked) - most <= 4 * most.bit_length() + 4


@pytest.mark.parametrize("how", [None, Training("adamw")])
@pytest.mark.parametrize("name", ["alexnet", "resnet50", "mobilenet_v2", "vit_b_16", "gpt2", "densenet121"])
def test_one_more_does_not_fit(name: str, how: Training | None) -> None:
    found = Workload(graph_of(name), training=how)
    batch = found.largest_batch(24 * GIB)
    assert found.need(batch).bytes <= 24 * GIB < found.need(batch + 1).bytes
    assert found.need(batch).exact


def test_needs_of_what_ships_never_fall_as_the_batch_grows() -> None:
    for name in names()[::6]:
        for how in (None, Training()):
            found = Workload(graph_of(name), training=how)
            needs = [found.need(batch).bytes for batch in (1, 2, 3, 4, 7, 8, 9)]
            assert needs == sorted(needs), name


def test_parts_are_those_of_the_reports() -> None:
    report = analyze("resnet50", batch=8, dtype="float16")
    need = Workload(graph_of("resnet50"), "float16").need(8)
    assert need.parts == {
        "parameters": 2 * 25_557_032,
        "buffers": 2 * 53_120 + 8 * 53,  # running statistics at the dtype, and an int64 counter of each batch norm
        "activations": report.totals.peak_memory_bytes,
    }
    assert need.exact


def test_what_is_not_known_is_never_a_yes() -> None:
    found = fit(graph_of("convnext_tiny"), 80 * GIB, batch=8, training=Training("adam"))
    assert (found.verdict, found.need.exact) == ("unknown", False)
    assert found.to_dict()["fits"] is None
    assert found.margin_bytes > 0
    small = fit(graph_of("convnext_tiny"), GIB, batch=8, training=Training("adam"))
    assert small.verdict == "no"  # even what is known does not fit


GRU = """
name: gru
input: [20]
layers: [{embedding: {vocabulary: 100, features: 8}}, {gru: 16}, {linear: 5000}]
"""


def test_at_inference_a_layer_that_is_not_known_makes_a_lower_bound() -> None:
    need = Workload(graph(GRU)).need(1)
    assert (need.exact, need.parts["activations"]) == (False, 20 * 8 + 20 * 8 * 4)  # ids of int64, and their vectors
    assert need.notes == ("what is alive is not known of gru, nor of what comes after gru",)
    assert fit(graph(GRU), 80 * GIB).verdict == "unknown"
    assert fit(graph(GRU), 1000).verdict == "no"


def test_each_way_is_computed() -> None:
    found = fit(graph_of("resnet50"), 8 * GIB, batch=256, training=Training("adam"))
    assert (found.verdict, found.cards) == ("no", 3)
    assert [(way.options, way.verdict) for way in found.ways] == [
        (f"--batch {found.largest_batch}", "yes"),
        ("--dtype bfloat16", "no"),
        ("--dtype bfloat16 --master-weights", "no"),
        ("--checkpoint blocks", "no"),
    ]
    graph_ = found.workload.graph
    others = {
        "--dtype bfloat16": Workload(graph_, "bfloat16", Training("adam")),
        "--dtype bfloat16 --master-weights": Workload(graph_, "bfloat16", Training("adam", master_weights=True)),
        "--checkpoint blocks": Workload(graph_, "float32", Training("adam", checkpoint="blocks")),
    }
    for way in found.ways[1:]:
        assert way.need == others[way.options].need(256)
        assert way.largest_batch == others[way.options].largest_batch(8 * GIB)
    assert Workload(graph_, training=Training("adam")).need(-(-256 // 3)).bytes <= 8 * GIB
    assert Workload(graph_, training=Training("adam")).need(-(-256 // 2)).bytes > 8 * GIB


def test_where_no_batch_fits_cards_that_share_it_do_not_help() -> None:
    found = fit(graph_of("llama2-7b"), 24 * GIB)
    assert (found.verdict, found.largest_batch, found.cards, found.cards_at_least) == ("no", 0, None, 2)
    assert [way.options for way in found.ways] == ["--dtype bfloat16"]


def test_a_reserve_is_left_free() -> None:
    need = Workload(graph_of("alexnet")).need(1).bytes
    assert fit(graph_of("alexnet"), need + 100, reserve_bytes=100).verdict == "yes"
    assert fit(graph_of("alexnet"), need + 100, reserve_bytes=101).verdict == "no"
    with pytest.raises(SettingError, match="the reserve leaves nothing of the memory"):
        fit(graph_of("alexnet"), 100, reserve_bytes=100)


def test_symbols_are_refused() -> None:
    sympy = pytest.importorskip("sympy")
    with pytest.raises(SettingError, match="whole numbers"):
        fit(graph_of("alexnet"), GIB, batch=sympy.Symbol("n", integer=True, positive=True))


def test_a_need_adds_up() -> None:
    need = Need(1, {"a": 3, "b": 4}, exact=False)
    assert (need.bytes, need.verdict(7), need.verdict(6)) == (7, "unknown", "no")


def run(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = piped("fits", *arguments, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_exit_codes(tmp_path: Path) -> None:
    assert run("alexnet", "--on", "rtx4090", cwd=tmp_path)[0] == 0
    assert run("alexnet", "--memory", "100MiB", cwd=tmp_path)[0] == 1
    code, printed, _ = run("convnext_tiny", "--train", "--memory", "80GiB", cwd=tmp_path)
    assert (code, printed.splitlines()[0].partition(" of ")[0][:38]) == (1, "not known: convnext_tiny needs at leas")
    code, printed, _ = run("alexnet", "--on", "rtx4090", "--json", cwd=tmp_path)
    data = json.loads(printed)
    assert (code, data["fits"], data["device"]["name"]) == (0, True, "rtx4090")
    assert data["margin_bytes"] == 24 * GIB - data["need"]["bytes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alexnet"], "neither a device nor a memory is given"),
        (["alexnet", "--on", "t4", "--memory", "1GiB"], "--on and --memory cannot be combined"),
        (["alexnet", "--on", "rtx409"], "did you mean rtx4090?"),
        (["alexnet", "--on", "bare"], "the memory of bare is not known"),
        (["alexnet", "--memory", "24 apples"], "'apples' is an unknown unit"),
        (["alexnet", "--memory", "1GiB", "--reserve", "2GiB"], "the reserve leaves nothing of the memory"),
        (["alexnet", "--memory", "0"], "the reserve leaves nothing"),
        (["alexnet", "--memory", "1GiB", "--optimizer", "adam"], "--optimizer needs --train"),
        (["alexnet", "--memory", "1GiB", "--train", "--optimizer", "adan"], "did you mean adam"),
        (["alexnet", "--memory", "1GiB", "--train", "--freeze", "conv9"], "alexnet has no layer 'conv9'"),
        (["alexnet", "--memory", "1GiB", "--train", "--dtype", "int8"], "int8 does not train"),
        (["pool.yaml", "--memory", "1GiB", "--train"], "pool has no parameters to train"),
        (["nothing.yaml", "--memory", "1GiB"], "nothing.yaml"),
    ],
)
def test_bad_input(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "archcalc.toml").write_text('[devices.bare]\nbandwidth = "1GB/s"\n')
    (tmp_path / "pool.yaml").write_text("input: [3, 8, 8]\nlayers: [{maxpool: 2}]\n")
    code, printed, complaint = run(*arguments, cwd=tmp_path)
    assert (code, printed) == (2, "")
    assert message in complaint
    assert "Traceback" not in complaint


def test_a_spec_without_parameters_fits_by_its_activations(tmp_path: Path) -> None:
    # A maximum comes with its index, an int64.
    (tmp_path / "pool.yaml").write_text("input: [3, 8, 8]\nlayers: [{maxpool: 2}]\n")
    code, printed, _ = run("pool.yaml", "--memory", "1344", "--json", cwd=tmp_path)
    assert (code, json.loads(printed)["need"]["parts"]) == (
        0,
        {"parameters": 0, "buffers": 0, "activations": 4 * 3 * 64 + (4 + 8) * 3 * 16},
    )


def test_it_is_told_within_80_columns() -> None:
    arguments = ("fits", "resnet50", "--on", "rtx3090", "--train", "--batch", "512", "--optimizer", "adam")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(*arguments, columns=80))
    assert max(map(len, shown.splitlines())) <= 80
    assert "activations and gradients  44,405,018,016  41.4 GiB" in shown
    assert "2 such devices, a batch of 256 on each" in shown


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_other_formats_hold_the_answer(form: str, tmp_path: Path) -> None:
    code, printed, _ = run("vgg16", "--memory", "100MiB", "--format", form, cwd=tmp_path)
    assert code == 1
    assert "vgg16 does not fit the memory" in printed
    assert "bfloat16" in printed


def test_json_holds_exact_integers(tmp_path: Path) -> None:
    code, printed, _ = run("resnet50", "--on", "t4", "--train", "--batch", "256", "--json", cwd=tmp_path)
    data = json.loads(printed)
    assert (code, data["fits"], data["memory_bytes"]) == (1, False, 15_360 * 2**20)  # what its driver reports
    assert data["need"]["bytes"] == sum(data["need"]["parts"].values())
    assert data["training"]["optimizer"] == "sgd"
    need = Workload(graph_of("resnet50"), training=Training()).need(data["largest_batch"])
    assert data["ways"][0] == {
        "options": f"--batch {data['largest_batch']}",
        "fits": True,
        "need": {**need.to_dict(), "notes": []},
        "largest_batch": data["largest_batch"],
        "largest_is_exact": True,
    }
