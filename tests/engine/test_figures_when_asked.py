"""What takes more than one pass over a graph is found when somebody asks for it, once."""

import copy
import pickle

import pytest

from archcalc import Report, analyze
from archcalc.engine import propagation


def test_plain_totals_take_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("nobody asked for it")

    whole = analyze("alexnet").totals
    for later in ("memory", "receptive_fields"):
        monkeypatch.setattr(propagation, later, asked)
    report = analyze("alexnet")
    for name in ("params", "buffers", "memory_bytes", "macs", "flops", "complete"):
        assert getattr(report.totals, name) == getattr(whole, name)
    for ask in (lambda: report.layers, lambda: report.totals.peak_memory_bytes):
        with pytest.raises(AssertionError, match="nobody asked"):
            ask()


def test_rows_are_found_once() -> None:
    report = analyze("alexnet")
    assert report.layers is report.layers
    assert report.layer("conv1") is report.layers[0]


@pytest.mark.parametrize("name", ["alexnet", "inception_v3"])
def test_a_report_is_kept_and_copied_whole(name: str) -> None:
    report = analyze(name)
    for same in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report), Report.from_dict(report.to_dict())):
        assert same == report
        assert same.totals == report.totals
        assert same.to_dict() == report.to_dict()
    assert analyze(name, batch=2) != report


def test_what_a_report_and_its_totals_print() -> None:
    report = analyze("alexnet")
    assert repr(report.totals).startswith("Totals(params=61100840, macs=716767232, ")
    assert repr(report).startswith("Report('alexnet', ")
