"""JSON → Report: reads what `archcalc table --json` wrote, and reports what is wrong with it."""

import re
from typing import Any

import msgspec

from archcalc.engine.conventions import convention_named
from archcalc.engine.report import SCHEMA_VERSION, LayerReport, Output, Report, Stored
from archcalc.engine.settings import Settings
from archcalc.errors import SettingError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import UNKNOWN, Sizes, whole
from archcalc.units import BYTES_PER_ELEMENT, KNOWN_DTYPES

HOW_TO_SAVE = "regenerate it with `archcalc table NAME --json -o report.json`"
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


_LATER = ("ops", "misfit", "bytes_moved")
"""What rows of earlier versions do not have, and is unknown of them."""


def report_of(data: Any) -> Report:
    """The report that `Report.to_dict` made this of; raises SettingError for anything else."""
    whole = "the report"
    version = _item(data, "schema_version", whole)
    if version != SCHEMA_VERSION:
        raise _wrong(f"the report has schema version {version!r}, this archcalc reads {SCHEMA_VERSION}")
    name = _converted(_item(data, "architecture", whole), str, "architecture")
    title = _converted(data.get("title", name), str, "title")
    taken_at = _item(data, "settings", whole)
    inputs = {"inputs": {"input": _item(taken_at, "input", "settings")}}  # as an earlier version wrote them
    settings = _converted({**inputs, **taken_at}, Settings, "settings")
    convention_named(settings.convention)
    if settings.dtype not in BYTES_PER_ELEMENT:
        raise SettingError(f"the report has the unknown dtype {settings.dtype!r}", hint=KNOWN_DTYPES)
    layers = _converted(_item(data, "layers", whole), list[dict[str, Any]], "layers")
    if not layers:
        raise _wrong("the report has no layers")
    rows = tuple([_row(row, f"layers[{n}]", settings.batch) for n, row in enumerate(layers)])
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _wrong(f"the report has two layers named {twice!r}")
    report = Report(name, title, settings, Stored(rows, _outputs(data, rows)))
    _require_sums(report, data.get("totals", {}))
    return report


def _require_sums(report: Report, totals: Any) -> None:
    """Raise SettingError where the totals are not those of the rows: somebody changed either."""
    if not isinstance(totals, dict):
        raise _wrong(f"totals must be an object, got {_called(totals)}")
    for field, own in report.totals.to_dict().items():
        if field in totals and field not in _LATER and totals[field] != own:
            raise _wrong(f"totals.{field} is {totals[field]!r}, the layers make {own!r}")


def _outputs(data: dict[str, Any], rows: tuple[LayerReport, ...]) -> tuple[Output, ...]:
    """The outputs of a report; one of an earlier version names those besides the last layer's alone."""
    if "outputs" in data:
        outputs = _converted(data["outputs"], list[dict[str, Any]], "outputs")
        shapes = [_converted(_item(one, "shape", "outputs"), list[int | None], "outputs.shape") for one in outputs]
        names = [_converted(_item(one, "name", "outputs"), str, "outputs.name") for one in outputs]
        return tuple([Output(name, _shape(shape)) for name, shape in zip(names, shapes, strict=True)])
    further = _converted(data.get("further_outputs", ()), tuple[str, ...], "further_outputs")
    last = next((row.name for row in reversed(rows) if not row.train_only), None)
    return tuple([Output(row.name, row.output) for row in rows if row.name in further or row.name == last])


def _row(data: dict[str, Any], where: str, batch: int) -> LayerReport:
    """The row that `LayerReport.to_dict` made this of; one of an earlier version lacks newer fields."""
    kind = _converted(_item(data, "kind", where), str, f"{where}.kind")
    if kind not in kinds():
        raise _wrong(f"{where} has the unknown kind {kind!r}")
    layer: Layer = _converted(_item(data, "fields", where), kinds()[kind], f"{where}.fields")
    types = {field.name: field.type for field in msgspec.structs.fields(LayerReport)}
    plain = types.keys() - {"layer", "inputs", "output", "samples", *_LATER}
    inputs = _converted(_item(data, "inputs", where), tuple[list[int | None], ...], f"{where}.inputs")
    return LayerReport(
        layer=layer,
        inputs=tuple(map(_shape, inputs)),
        output=_shape(_converted(_item(data, "output", where), list[int | None], f"{where}.output")),
        samples=_converted(data.get("samples", batch), int, f"{where}.samples"),
        **{name: _converted(data.get(name), types[name], f"{where}.{name}") for name in _LATER},
        **{name: _converted(_item(data, name, where), types[name], f"{where}.{name}") for name in plain},
    )


def _shape(plain: list[int | None]) -> Sizes:
    return whole([UNKNOWN if size is None else size for size in plain])


def _item(data: Any, key: str, where: str) -> Any:
    if not isinstance(data, dict):
        raise _wrong(f"{where} must be an object, got {_called(data)}")
    if key not in data:
        raise _wrong(f"{where} has no {key!r}")
    return data[key]


def _converted(value: Any, to: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        raise _wrong(_in_words(str(error), where)) from None


def _in_words(message: str, where: str) -> str:
    """What msgspec says of a value, with the place in the report and JSON's own names of types in words.

    >>> _in_words("Expected `int`, got `str` - at `$.batch`", "settings")
    'settings.batch must be a whole number, got text'
    >>> _in_words("Object missing required field `batch`", "settings")
    "settings has no 'batch'"
    """
    message, _, inside = message.partition(" - at `$")
    place = where + inside.removesuffix("`")
    missing = re.fullmatch(r"Object missing required field `(\w+)`", message)
    if missing:
        return f"{place} has no {missing[1]!r}"
    expected = re.fullmatch(r"Expected `(.*)`, got `(.*)`", message)
    if expected is None:
        return f"{place} is wrong: {message}"
    wanted, got = (
        " or ".join(_TYPES.get(name, name) for name in re.split(r" \| ", part)) for part in expected.groups()
    )
    return f"{place} must be {wanted}, got {got}"


def _called(value: Any) -> str:
    names = {list: "a list", str: "text", type(None): "null", bool: "true or false"}
    return names.get(type(value), "a number")


def _wrong(message: str) -> SettingError:
    return SettingError(message, hint=HOW_TO_SAVE)
