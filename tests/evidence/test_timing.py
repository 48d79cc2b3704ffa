"""Times beside counts: statistics on known samples, the roof on known rates, and the words for them."""

import msgspec
import pytest

from archcalc.engine.report import LayerReport
from archcalc.evidence.timing import Bound, LayerTiming, Roof, Samples, Timing
from archcalc.render.timing import layers_grid, networks_grid
from tests.specs_helper import layers, report

# 1000 MACs and 100 bytes a second; a convolution's MACs at twice that rate.
ROOF = Roof(1000.0, 2000.0, 100.0, 0.5)
NET = layers("conv: {name: c, filters: 4, kernel: 3}", "relu", "flatten", "linear: {name: head, features: 3}")
CAPTION = "where"


def row(name: str = "head", **changes: object) -> LayerReport:
    return msgspec.structs.replace(report(NET).layer(name), **changes)


def timing_of(seconds: float, bytes_moved: int | None, **changes: object) -> LayerTiming:
    name = "c" if changes.pop("conv", False) else "head"
    return LayerTiming(row(name, bytes_moved=bytes_moved, **changes), Samples((seconds,)), ROOF)


def test_the_median_is_not_moved_by_one_slow_run() -> None:
    samples = Samples((3.0, 1.0, 2.0, 100.0, 2.0))
    assert (samples.median, samples.quartiles, samples.spread) == (2.0, (2.0, 3.0), 0.5)
    assert samples.is_noisy
    assert samples.to_dict() == {
        "samples": 5,
        "median_seconds": 2.0,
        "quartile_seconds": [2.0, 3.0],
        "min_seconds": 1.0,
        "max_seconds": 100.0,
        "spread": 0.5,
    }


def test_the_median_of_an_even_number_lies_between_the_middle_ones() -> None:
    samples = Samples((1.0, 2.0, 4.0, 9.0))
    assert (samples.median, samples.quartiles) == (3.0, (1.75, 5.25))


@pytest.mark.parametrize("seconds", [(1.0,), (1.0, 2.0, 30.0), (0.0, 0.0, 0.0, 0.0, 1.0)])
def test_a_spread_that_cannot_be_told_is_unknown_and_not_0(seconds: tuple[float, ...]) -> None:
    assert Samples(seconds).spread is None
    assert not Samples(seconds).is_noisy


def test_a_spread_of_a_fifth_is_not_yet_noise() -> None:
    assert not Samples((9.0, 9.0, 10.0, 11.0, 11.0)).is_noisy
    assert Samples((8.9, 8.9, 10.0, 11.1, 11.1)).is_noisy


def test_rates_are_counts_over_the_median() -> None:
    layer = timing_of(4.0, 200, macs=1000)
    assert (layer.macs_per_second, layer.bytes_per_second, layer.macs_per_byte) == (250.0, 50.0, 5.0)
    assert layer.share_of_roof == 0.5  # 200 bytes take at least 2 s, 1000 MACs at least 1 s


@pytest.mark.parametrize(
    ("macs", "bytes_moved", "seconds", "bound"),
    [
        (4000, 100, 5.0, "compute"),  # at least 4 s of MACs, 1 s of bytes
        (4000, 100, 2.0, "compute"),  # with fewer multiply-adds than counted
        (1000, 400, 5.0, "memory"),  # at least 1 s, 4 s
        (1000, 400, 3.9, "memory"),
        (1000, 400, 3.0, "cache"),
        (1000, 400, 8.1, "neither"),
        (4000, 100, 8.1, "neither"),
        (0, 400, 5.0, "memory"),
        (0, 0, 5.0, "moves nothing"),
        (10, 10, 0.9, "too short"),
        (10, 10, 1.0, "neither"),
        (None, 400, 5.0, None),
    ],
)
def test_what_bounds_a_layer(macs: int | None, bytes_moved: int, seconds: float, bound: Bound | None) -> None:
    assert timing_of(seconds, bytes_moved, macs=macs).bound == bound


def test_a_convolution_is_measured_by_a_convolution() -> None:
    assert timing_of(4.0, 1, macs=4000).share_of_roof == 1.0
    assert timing_of(4.0, 1, macs=4000, conv=True).share_of_roof == 0.5


def test_what_is_too_short_or_unknown_has_no_figure() -> None:
    short = timing_of(0.9, 10, macs=10)
    assert (short.seconds, short.macs_per_second, short.bytes_per_second, short.share_of_roof) == (
        0.9,
        None,
        None,
        None,
    )
    unknown = timing_of(5.0, 10, macs=None)
    assert (unknown.macs_per_second, unknown.macs_per_byte, unknown.share_of_roof) == (None, None, None)
    assert unknown.bytes_per_second == 2.0
    idle = LayerTiming(row(), None, ROOF)
    assert (idle.seconds, idle.bound, idle.to_dict()["time"], idle.bytes_per_second) == (None, None, None, None)


def timing(*runs: tuple[float | None, int | None], macs_known: bool = True, compiled: bool = False) -> Timing:
    found = report(NET, batch=2)
    rows = [*found.layers]
    if not macs_known:
        rows[0] = msgspec.structs.replace(rows[0], macs=None)
    timings = tuple(
        LayerTiming(
            msgspec.structs.replace(row, bytes_moved=moved), None if seconds is None else Samples((seconds,) * 5), ROOF
        )
        for row, (seconds, moved) in zip(rows, runs, strict=True)
    )
    whole = Samples((9.0, 10.0, 10.0, 10.0, 30.0))
    return Timing(found, timings, ROOF, whole, Samples((5.0,) * 5) if compiled else None)


RUNS = ((16.0, 100), (3.0, 200), (0.5, 0), (0.5, 10))


def test_the_whole_network() -> None:
    found = timing(*RUNS)
    assert found.layers_seconds == 20.0
    # 36 outputs × 27 of each of 4 filters, and 144 × 3, for a batch of 2
    assert (found.macs, found.macs_per_second(found.whole)) == (2 * (4 * 36 * 27 + 144 * 3), 864.0)
    assert found.samples_per_second == 0.2
    assert dict(found.seconds_by_bound()) == {"neither": 16.0, "memory": 3.0, "moves nothing": 0.5, "too short": 0.5}
    faster = timing(*RUNS, compiled=True)
    assert (faster.best, faster.samples_per_second) == (faster.compiled, 0.4)
    unknown = timing(*RUNS, macs_known=False)
    assert (unknown.macs, unknown.macs_per_second(unknown.whole), unknown.to_dict()["macs"]) == (None, None, None)


def test_the_table_of_the_layers() -> None:
    grid = layers_grid(timing(*RUNS), CAPTION)
    named = [{c.name: cell.text for c, cell in zip(grid.columns, cells, strict=True)} for cells in grid.rows]
    assert [cells["layer"] for cells in named] == ["c", "relu1", "head"]
    assert [cells["time"] for cells in named] == ["16,000.000", "3,000.000", "500.000"]
    assert [cells["share"] for cells in named] == ["80.0", "15.0", "2.5"]
    assert [cells["roof"] for cells in named] == ["24", "67", ""]
    assert [cells["bound"] for cells in named] == ["neither", "memory", "too short"]
    assert [cell.strong for cell in (grid.rows[0][4], grid.rows[1][4])] == [True, False]
    assert [cells[0].text for cells in grid.closing] == ["sum of layers", "whole"]
    assert "* c take 80 % of the layers' time" in grid.notes
    assert any(note.startswith("not shown: flatten ×1 (") for note in grid.notes)
    assert not any("warning" in note for note in grid.notes)
    shown = layers_grid(timing(*RUNS, compiled=True), CAPTION, all_layers=True)
    assert [cells[0].text for cells in shown.rows] == ["c", "relu1", "flatten", "head"]
    assert shown.closing[-1][0].text == "compiled"
    assert not any(note.startswith("not shown") for note in shown.notes)


def test_what_does_not_run_and_what_is_unknown_are_no_zeros() -> None:
    grid = layers_grid(timing((16.0, 100), (3.0, 200), (0.5, 0), (None, None), macs_known=False), CAPTION)
    conv, _, head = ([cell.text for cell in cells] for cells in grid.rows)
    assert conv[1:4] + conv[7:] == ["?", "<0.01", "?", "?", "<0.01", "?", "?"]
    assert head[-1] == "does not run"
    assert head[4:] == ["", "?", "", "", "", "", "does not run"]


def test_noise_is_told() -> None:
    noisy = msgspec.structs.replace(timing(*RUNS), whole=Samples((1.0, 1.0, 2.0, 3.0)))
    warning = "warning: noise in net: the middle half of the times spreads over 83 % of the median, more than 20 %"
    assert layers_grid(noisy, CAPTION).notes[-1] == warning
    short = msgspec.structs.replace(noisy, whole=Samples((1.0,)))
    assert layers_grid(short, CAPTION).notes[-1] == "1 repetition: too few for a spread"
    *_, spread, noise = networks_grid([short, short, *[noisy] * 5], ROOF, CAPTION).notes
    assert spread == "1 repetition: too few for a spread"
    assert noise.startswith("warning: noise in net, net, net and 2 more: ")
    assert "over up to 83 %" in noise


def test_a_busy_machine_is_told_where_no_spread_shows_it() -> None:
    busy = msgspec.structs.replace(timing(*RUNS), preemptions_per_second=265.0)
    assert busy.to_dict()["is_noisy"]
    assert not busy.whole.is_noisy
    assert "interrupted it for other work 265 times a second" in layers_grid(busy, CAPTION).notes[-1]
    quiet = msgspec.structs.replace(busy, preemptions_per_second=5.0)
    assert not quiet.to_dict()["is_noisy"]
    assert "warning" not in "".join(layers_grid(quiet, CAPTION).notes)


def test_a_line_for_each_network() -> None:
    grid = networks_grid([timing(*RUNS), timing(*RUNS, macs_known=False)], ROOF, CAPTION)
    assert [cell.text for cell in grid.rows[0]] == ["net", "4", "8.64 k", "10,000.000", "0", "<0.01", "0.2", "15"]
    assert [cell.text for cell in grid.rows[1]] == ["net", "4", "?", "10,000.000", "0", "?", "0.2", "15"]
    assert "compiled" in [column.name for column in networks_grid([timing(*RUNS, compiled=True)], ROOF, "").columns]
