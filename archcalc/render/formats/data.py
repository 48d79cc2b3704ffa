"""Reports and lists → JSON, JSON Lines, CSV and TSV: exact figures, for programs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from archcalc._version import __version__
from archcalc.engine.figures import FIGURES
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import printable
from archcalc.render.columns import COSTS, FACTS, OF_MAPS, SHARES, has_channels_first

DELIMITERS = {"csv": ",", "tsv": "\t"}


_DIRECTING = re.compile("[\x7f-\x9f\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]")


def as_json(value: Any) -> str:
    """A value as indented JSON."""
    return _dumped(value, indent=2) + "\n"


def _dumped(value: Any, indent: int | None = None) -> str:
    r"""JSON that is UTF-8, and that no terminal obeys.

    A byte of a file's name that is no UTF-8 is spelled out, as `\xe9`; what directs a terminal, or turns the direction
    of a text, is escaped as JSON has it, and means the same.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    text = _DIRECTING.sub(lambda character: json.dumps(character.group())[1:-1], text)
    return re.sub("[\udc80-\udcff]", lambda byte: f"\\\\x{ord(byte.group()) - 0xDC00:02x}", text)


def as_document(schema_version: int, **content: Any) -> str:
    """What a command found as JSON, with the versions of the format and of archcalc in front."""
    return as_json({"schema_version": schema_version, "archcalc": __version__, **content})


def as_record_of_a_run(
    schema_version: int, environment: dict[str, Any], settings: dict[str, Any], **content: Any
) -> str:
    """What a run of PyTorch came to as JSON, with the date, and with what it was taken."""
    from datetime import UTC, datetime

    date = datetime.now(UTC).isoformat(timespec="seconds")
    return as_document(schema_version, date=date, environment=environment, settings=settings, **content)


def as_json_lines(values: Iterable[Any]) -> str:
    """One value a line."""
    return "".join(_dumped(value) + "\n" for value in values)


def as_separated(header: Iterable[str], rows: Iterable[Iterable[object]], delimiter: str) -> str:
    """Comma- or tab-separated values; what a spreadsheet would compute, or a terminal obey, is kept from it."""
    import csv

    out = StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return out.getvalue()


def records(rows: Sequence[dict[str, Any]], form: str) -> str:
    """Dicts of the same keys as json, jsonl, csv or tsv; values that a cell cannot hold are written as JSON."""
    if form == "json":
        return as_json(rows)
    if form == "jsonl":
        return as_json_lines(rows)
    flat = ([_dumped(v) if isinstance(v, list | dict) else v for v in row.values()] for row in rows)
    return as_separated(rows[0] if rows else (), flat, DELIMITERS[form])


def report_data(report: Report, form: str, columns: tuple[str, ...]) -> str:
    """A report as json, jsonl (settings and totals, then a line for each layer), csv or tsv (these columns).

    What is unknown is an empty cell. Raises SettingError where figures are symbols or arrays.
    """
    report.require_plain("written")
    if form == "json":
        return as_json(report.to_dict())
    if form == "jsonl":
        head = report.to_dict()
        layers = head.pop("layers")
        return as_json_lines([head, *layers])
    header = [FIGURES[name].field if name in COSTS else name for name in columns]
    whole = {name: FIGURES[cost].known(report.layers) for name, cost in SHARES.items()}
    unlabelled = () if has_channels_first(report) else OF_MAPS
    rows = ([None if name in unlabelled else _value(name, row, whole) for name in columns] for row in report.layers)
    return as_separated(header, rows, DELIMITERS[form])


def _value(name: str, row: LayerReport, whole: Mapping[str, int]) -> object:
    if name in FACTS:
        return FACTS[name][1](row)
    if name in COSTS:
        return FIGURES[name].of_row(row)
    value = FIGURES[SHARES[name]].of_row(row)
    return None if value is None or not whole[name] else round(100 * value / whole[name], 4)


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else printable(value)
