"""Devices as data: those that ship, and those of a configuration, with the place of each error."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from archcalc.errors import SettingError
from archcalc.gate.config import read_config
from archcalc.hardware.devices import CERTAINTIES, PEAKS, device_named, shipped_devices
from tests.running import piped as archcalc


def messages(text: str, folder: Path) -> list[str]:
    path = folder / "archcalc.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError) as caught:
        read_config(path)
    return [
        f"{one.location.line}:{one.location.column}: {one.message}" for one in caught.value.problems if one.location
    ]


def test_every_value_that_ships_says_how_sure_it_is_and_where_it_is_from() -> None:
    devices = shipped_devices()
    assert len(devices) == 47
    for name, device in devices.items():
        facts = [device.memory, device.bandwidth, *device.peak.values()]
        facts += [] if device.memory_reported is None else [device.memory_reported]
        assert device.name == name
        assert device.sources
        assert all(" " in source or "." in source for source in device.sources), (
            device.sources
        )  # no short names are left
        assert set(device.peak) <= set(PEAKS)
        for fact in facts:
            assert fact is not None, name
            assert fact.certainty in CERTAINTIES
            assert fact.certainty != "given"
        assert not device.is_own


def test_sizes_and_rates_are_exact() -> None:
    rtx4090, gtx580 = device_named("rtx4090"), device_named("gtx580-3gb")
    assert rtx4090.memory is not None
    assert rtx4090.bandwidth is not None
    assert gtx580.bandwidth is not None
    assert (rtx4090.memory.value, rtx4090.bandwidth.value) == (24 * 2**30, 1_008_000_000_000)
    assert (gtx580.usable_bytes, gtx580.bandwidth.value) == (3 * 2**30, 192_400_000_000)
    assert device_named("h100-sxm").peak["tf32"].value == 494_500_000_000_000
    assert device_named("h100-sxm").matmul_share["bfloat16"] * 1000 == 803


def test_no_peak_is_one_with_sparsity() -> None:
    # A peak with sparsity is twice the dense one: int8 is then four times float16, and float16 four times tf32.
    for device in shipped_devices().values():
        peak = {dtype: fact.value for dtype, fact in device.peak.items()}
        if device.name in ("a100-sxm-80gb", "h100-sxm", "l4", "l40s", "h200-sxm", "b200-sxm", "mi300x"):
            assert 1.9 < peak["int8"] / peak["float16"] < 2.1
            assert 1.9 < peak["float16"] / peak["tf32"] < 2.1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rtx409", "did you mean rtx4090?"),
        ("4090", "did you mean rtx4090?"),
        ("A100", "did you mean a100-pcie-40gb or a100-sxm-40gb or a100-pcie-80gb?"),
        ("H100 SXM", "did you mean h100-sxm?"),
        ("qqqq", "`archcalc devices` lists those that are known"),
    ],
)
def test_an_unknown_device_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(SettingError) as caught:
        device_named(name)
    assert caught.value.problems[0].message == f"unknown device {name!r}"
    assert caught.value.problems[0].hint == hint


def test_a_device_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "archcalc.toml").write_text(
        '[devices.my-card]\nmemory = "24GiB"\nbandwidth = "1008GB/s"\n'
        'peak = {float16 = "165.2T", float32 = 82600000000000}\n'
        'matmul-share = {float16 = "80%"}\n\n[devices.rtx4090]\nmemory = 1000\n'
    )
    found = read_config(tmp_path / "archcalc.toml").devices
    card = found["my-card"]
    assert (card.usable_bytes, card.title, card.is_own) == (24 * 2**30, "my-card", True)
    assert {dtype: fact.value for dtype, fact in card.peak.items()} == {
        "float16": 165_200_000_000_000,
        "float32": 82_600_000_000_000,
    }
    assert device_named("rtx4090", found).usable_bytes == 1000  # a user's own goes first
    assert device_named("t4", found) == shipped_devices()["t4"]
    listed = json.loads(archcalc("devices", "--json", cwd=tmp_path).stdout)
    assert [one["name"] for one in listed if one["is_own"]] == ["rtx4090", "my-card"]
    assert len(listed) == 48


def test_all_errors_of_a_configuration_have_a_place(tmp_path: Path) -> None:
    text = """[devices.my-card]
memory = "24 apples"
bandwith = "1GB/s"
peak = {float15 = "1T"}
[devices.Other]
memory = 1
[devices.half]
memory = 0.5
sources = "here"
matmul-share = {float16 = "120%"}
[devices.sure]
memory = {value = "1GiB", certainty = "quite"}
peak = 3
"""
    assert sorted(messages(text, tmp_path), key=lambda one: int(one.partition(":")[0])) == [
        "2:1: device my-card: memory: '24 apples': 'apples' is an unknown unit",
        "3:1: device my-card: unknown key 'bandwith'",
        "4:9: device my-card: unknown dtype 'float15'",
        "5:2: the name of device 'Other' must be in small letters",
        "8:1: device half: memory must be a whole number ≥ 1 of bytes",
        "9:1: device half: sources must be a list of texts",
        "10:17: device half: matmul-share of float16 must be more than 0 and at most 100%",
        "12:27: device sure: memory: unknown certainty 'quite'",
        "13:1: device sure: peak must be a table by dtype",
    ]


def test_what_devices_is_not_a_table_of(tmp_path: Path) -> None:
    assert messages("devices = 3\n", tmp_path) == ["1:1: devices must be a table of devices"]
    assert messages("[devices]\ncard = 3\n", tmp_path) == ["2:1: device card must be a table"]


def test_the_command(tmp_path: Path) -> None:
    listed = archcalc("devices", cwd=tmp_path)
    assert listed.returncode == 0
    assert "rtx4090         GeForce RTX 4090 " in listed.stdout
    one = archcalc("devices", "b200-sxm", cwd=tmp_path).stdout
    assert re.search(r"^memory +180 GiB  sources differ", one, flags=re.MULTILINE)
    assert "192 when announced, 180 in HGX and DGX systems" in one
    assert "source: Stas Bekman, ML Engineering" in one
    data = json.loads(archcalc("devices", "t4", "--json", cwd=tmp_path).stdout)
    assert data == [msgspec.to_builtins(shipped_devices()["t4"].to_dict())]
    wrong = archcalc("devices", "rtx409", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean rtx4090?" in wrong.stderr
