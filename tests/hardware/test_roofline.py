"""The roofline by layer: against its definition on exact numbers, and what is not known."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from archcalc.analysis import analyze
from archcalc.engine.report import Report
from archcalc.errors import SettingError
from archcalc.hardware.devices import Device, Fact, device_named, shipped_devices
from archcalc.hardware.roofline import device_hours, roofline
from tests.running import on_terminal, piped
from tests.specs_helper import report

CARD = Device("card", "Card", bandwidth=Fact(1000), peak={"float32": Fact(4000), "tf32": Fact(8000)})
"""A thousand bytes and two thousand multiply-adds a second: the ridge is at two multiply-adds for each byte."""


def test_each_layer_takes_the_larger_of_its_two_times() -> None:
    found = roofline(
        report("input: [10]\nlayers: [{linear: {features: 20, bias: false}}, relu, {dropout: 0.5}]", batch=50), CARD
    )
    linear, relu, dropout = found.layers
    assert linear.compute_seconds == 2 * 50 * 200 / 4000
    assert linear.memory_seconds == 4 * (50 * 10 + 200 + 50 * 20) / 1000
    assert (linear.seconds, linear.bound) == (6.8, "memory")
    assert (relu.compute_seconds, relu.memory_seconds, relu.bound) == (0, 8.0, "memory")
    assert (dropout.seconds, dropout.bound) == (0, "moves nothing")  # in eval mode a view
    assert found.seconds == pytest.approx(14.8)
    assert found.samples_per_second == pytest.approx(50 / 14.8)
    assert found.ridge_macs_per_byte == 2
    assert found.seconds_at_share is None


def test_a_layer_of_large_products_is_bound_by_them() -> None:
    text = "input: [100]\nlayers: [{linear: {features: 100, bias: false}}]"
    found = roofline(report(text, batch=1000), CARD)
    (row,) = found.layers
    assert (row.bound, row.seconds) == ("compute", 2 * 10**7 / 4000)
    assert roofline(report(text, batch=1000), CARD, tf32=True).layers[0].compute_seconds == 2 * 10**7 / 8000


def test_bound_changes_at_the_ridge() -> None:
    rtx4090 = device_named("rtx4090")
    for name in ("resnet50", "mobilenet_v2", "gpt2"):
        found = roofline(analyze(name, batch=16), rtx4090)
        for layer in found.layers:
            if layer.macs_per_byte is not None:
                assert (layer.bound == "compute") == (layer.macs_per_byte > found.ridge_macs_per_byte), layer.row.name
        assert sum(found.seconds_by_bound().values()) == pytest.approx(found.seconds)


def test_large_products_take_longer_by_the_share_that_was_measured() -> None:
    h100 = device_named("h100-sxm")
    found = roofline(analyze("vgg16", batch=64, dtype="bfloat16"), h100)
    assert found.share == Fraction(803, 1000)
    by_hand = sum(
        max(2 * layer.row.macs / (0.803 * 989e12), (layer.bytes_moved or 0) / 3.35e12)
        for layer in found.layers
        if layer.row.macs is not None
    )
    assert found.seconds_at_share == pytest.approx(by_hand)
    assert found.seconds < by_hand < found.seconds / 0.803
    assert roofline(analyze("vgg16", batch=64), h100).seconds_at_share is None  # it was measured in bfloat16 alone


def test_what_is_not_known_makes_a_lower_bound() -> None:
    data = report("input: [4, 8]\nlayers: [{gru: 16}, {linear: {features: 4}}]").to_dict()
    del data["layers"][0]["bytes_moved"]  # as in reports of earlier versions
    found = roofline(Report.from_dict(data), CARD)
    gru = found.layers[0]
    assert (gru.row.macs, gru.memory_seconds, gru.bound) == (4608, None, None)
    assert gru.seconds == gru.compute_seconds == 2 * 4608 / 4000
    assert found.records()[0]["seconds"] is None
    assert (found.is_known, found.to_dict()["complete"]) == (False, False)
    assert found.seconds_by_bound()["unknown"] == gru.seconds


def test_what_a_device_does_not_say() -> None:
    alexnet = analyze("alexnet")
    with pytest.raises(SettingError, match="the peak of tpu-v4 in float32 is not known") as caught:
        roofline(alexnet, device_named("tpu-v4"))
    assert caught.value.problems[0].hint == "known of it: bfloat16, int8"
    with pytest.raises(SettingError, match="the bandwidth of bare is not known"):
        roofline(alexnet, Device("bare", "bare", peak={"float32": Fact(1)}))
    with pytest.raises(SettingError, match="TF32 is for products of float32, got float16"):
        roofline(analyze("alexnet", dtype="float16"), device_named("h100-sxm"), tf32=True)


def test_every_device_that_ships_has_a_roofline_in_each_dtype_that_is_known_of_it() -> None:
    for device in shipped_devices().values():
        for dtype in device.peak.keys() & {"float32", "float16", "bfloat16", "int8"}:
            assert roofline(analyze("alexnet", dtype=dtype), device).seconds > 0


def test_device_hours() -> None:
    card = Device("card", "Card", peak={"float32": Fact(10**12)})
    found = device_hours(1800 * 10**12, card, "float32", Fraction(1, 2))
    assert (found.seconds, found.hours, found.utilisation) == (7200.0, 2.0, 50.0)
    assert device_hours(None, card, "float32", Fraction(1, 2)).hours is None
    for share in (Fraction(0), Fraction(3, 2)):
        with pytest.raises(SettingError, match="the utilisation must be more than 0 and at most 100%"):
            device_hours(1, card, "float32", share)


def test_device_hours_of_a_whole_training(tmp_path: Path) -> None:
    whole = ["alexnet", "--batch", "128", "--images", "1.28M", "--epochs", "90"]
    done = piped("training", *whole, "--on", "gtx580-3gb", "--utilisation", "40%", cwd=tmp_path)
    assert re.search(r"^hours of one gtx580-3gb +(\S+)$", done.stdout, flags=re.MULTILINE), done.stdout
    assert "hours are those of 2 FLOPs for each multiply-add at 40 % of 1.58 T FLOP/s in float32" in done.stdout
    printed = piped("training", *whole, "--on", "gtx580-3gb", "--utilization", "40%", "--json", cwd=tmp_path).stdout
    run = json.loads(printed)["run"]
    assert run["device_hours"]["hours"] == pytest.approx(2 * run["macs"] / (0.4 * 1.581e12) / 3600)
    for wrong, message in (
        (["--on", "gtx580-3gb"], "device hours need --images, --on and --utilisation"),
        (["--on", "gtx580-3gb", "--utilisation", "0.4"], "'0.4' is not a percentage"),
        (["--on", "gtx580-3gb", "--utilisation", "140%"], "the utilisation must be more than 0 and at most 100%"),
        (["--on", "gtx58", "--utilisation", "40%"], "did you mean gtx580-3gb?"),
    ):
        failed = piped("training", *whole, *wrong, cwd=tmp_path)
        assert (failed.returncode, failed.stdout) == (2, "")
        assert message in failed.stderr


def run(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = piped("roofline", *arguments, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_the_formats(tmp_path: Path) -> None:
    code, printed, _ = run("alexnet", "--on", "rtx4090", "--batch", "128", "--json", cwd=tmp_path)
    data = json.loads(printed)
    assert (code, data["flops_per_second"], data["bytes_per_second"]) == (0, 82_600_000_000_000, 1_008_000_000_000)
    assert data["layers"][0]["compute_seconds"] == 2 * 9_325_510_656 / 82_600_000_000_000
    lines = run("alexnet", "--on", "rtx4090", "--format", "csv", cwd=tmp_path)[1].splitlines()
    assert lines[0] == ("name,kind,line,macs,bytes_moved,macs_per_byte,compute_seconds,memory_seconds,seconds,bound")
    assert len(lines) == 1 + len(data["layers"])
    first, *rest = run("alexnet", "--on", "rtx4090", "--format", "jsonl", cwd=tmp_path)[1].splitlines()
    assert (json.loads(first)["peak_dtype"], len(rest)) == ("float32", len(data["layers"]))
    assert "| conv1" in run("alexnet", "--on", "rtx4090", "--format", "markdown", cwd=tmp_path)[1]


def test_on_a_narrow_terminal_columns_go() -> None:
    shown = on_terminal("roofline", "alexnet", "--on", "gtx580-3gb", columns=60, NO_COLOR="1")
    assert "not shown for lack of room" in shown
    assert "bound by" in shown
    assert "\x1b[3" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alexnet"], "Missing option '--on'"),
        (["alexnet", "--on", "gtx58"], "did you mean gtx580-3gb?"),
        (["alexnet", "--on", "gtx580-3gb", "--dtype", "float16"], "the peak of gtx580-3gb in float16 is not known"),
        (["alexnet", "--on", "gtx580-3gb", "--tf32"], "the peak of gtx580-3gb in tf32 is not known"),
    ],
)
def test_bad_input(arguments: list[str], message: str, tmp_path: Path) -> None:
    code, printed, complaint = run(*arguments, cwd=tmp_path)
    assert (code, printed) == (2, "")
    assert message in complaint


def test_measured_times_stand_beside_those_of_a_device_of_ones_own(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "archcalc.toml").write_text('[devices.here]\nbandwidth = "1GB/s"\npeak = {float32 = "100G"}\n')
    code, printed, complaint = run("lenet5", "--on", "here", "--measure", "cpu", "--json", cwd=tmp_path)
    data = json.loads(printed)
    assert code == 0, complaint
    assert data["measured_on"].startswith("torch ")
    assert data["measured_seconds"] > 0
    assert all(layer["measured_seconds"] is None or layer["measured_seconds"] > 0 for layer in data["layers"])
