"""Diffs → Grids for a terminal, and Markdown for a comment on a pull request."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from archcalc.comparison.diff import Delta, LayerChange, ReportDiff
from archcalc.engine.figures import LECTURE, METRICS
from archcalc.errors import printable
from archcalc.layers.core.base import fmt_shape
from archcalc.render.compare import figure
from archcalc.render.formats.markup import escaped, escaped_in_html, markdown
from archcalc.render.grid import Cell, Column, Grid
from archcalc.units import in_unit

MOST_LAYERS = 20
"""How many layers of one spec are printed, the heaviest changes; --all prints them all."""
MOST_CHARACTERS = 65_000
"""GitHub takes no longer comment than 65,536 characters."""
MARKS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">"}
MAIN = tuple(name for name in METRICS if name in LECTURE)


def totals_grid(found: ReportDiff, caption: str) -> Grid:
    """The metrics of one spec that changed, before and after."""
    columns = (
        Column("metric", ("", "metric"), "left"),
        Column("before", ("", "before")),
        Column("after", ("", "after")),
        Column("change", ("", "change")),
        Column("percent", ("change", "(%)"), drop_order=5),
    )
    rows = tuple(
        (Cell(METRICS[name].title), *map(Cell, (_figure(name, d.before), _figure(name, d.after), *_change(name, d))))
        for name, d in found.metrics.items()
        if d.before != d.after
    )
    words = {"added": "new", "deleted": "deleted", "changed": "changed", "same": "the same"}[found.kind]
    same = [METRICS[name].title for name, d in found.metrics.items() if d.before == d.after]
    notes = (f"unchanged: {', '.join(same)}",) if same and rows else ()
    return Grid(columns, rows, title=f"{printable(found.name)}: {words}", caption=caption, notes=notes)


def layers_grid(found: ReportDiff, *, most: int | None = MOST_LAYERS) -> Grid:
    """The layers of one spec that changed, in their order: + added, - removed, ~ changed, > renamed."""
    columns = (
        Column("mark", ("",), "left"),
        Column("layer", ("layer",), "left"),
        Column("what", ("what",), "left", least=20),
        *(Column(name, (METRICS[name].title,), drop_order=order) for name, order in zip(MAIN, (0, 0, 5), strict=True)),
    )
    shown, left_out = chosen(found.layers, most)
    rows = tuple(tuple(map(Cell, _layer_line(change))) for change in shown)
    renamed = sum(change.kind == "renamed" for change in found.layers)
    notes = []
    if renamed:
        notes.append(f"renamed only: {renamed:,} layers")
    if left_out:
        notes.append(f"the {len(shown):,} heaviest changes; {left_out:,} more (--all shows them)")
    return Grid(columns, rows, notes=tuple(notes))


def chosen(changes: Sequence[LayerChange], most: int | None) -> tuple[list[LayerChange], int]:
    """The heaviest changes in their order, and how many are left out; renamed layers are only counted."""
    real = [change for change in changes if change.kind != "renamed"]
    if most is None or len(real) <= most:
        return real, 0
    heaviest = sorted(range(len(real)), key=lambda i: -real[i].weight)[:most]
    return [real[i] for i in sorted(heaviest)], len(real) - most


def comment(diffs: Sequence[ReportDiff], caption: str, notes: Iterable[str] = (), limit: int = MOST_CHARACTERS) -> str:
    """Markdown for a comment on a pull request: a table of all specs, then the details of each, as far as they fit.

    Those that changed most come first. It is never longer than `limit` characters.
    """
    if not diffs:
        return _shortened(f"### archcalc\n\nNo spec changed its cost.\n\n{_prose([caption, *notes])}", limit)
    end = _shortened(f"\n{_prose([caption, *notes])}", limit // 4)
    rows = len(diffs)
    while len(text := _heading(diffs, rows)) > limit // 2 and rows > 1:
        rows //= 2
    text = _shortened(text, limit // 2)
    for i, found in enumerate(diffs):
        part = _details(found)
        rest = f"\n{len(diffs) - i:,} of {len(diffs):,} specs are left out here for lack of room.\n"
        if len(text) + len(part) + len(rest) + len(end) > limit:
            return text + rest + end
        text += part
    return text + end


def _heading(diffs: Sequence[ReportDiff], rows: int) -> str:
    """The table of the first specs, and how many more there are."""
    more = f"\n{len(diffs) - rows:,} more specs changed.\n" if rows < len(diffs) else ""
    return f"### archcalc\n\n{_summary(diffs[:rows])}{more}"


def _summary(diffs: Sequence[ReportDiff]) -> str:
    columns = (Column("spec", ("spec",), "left"), *(Column(name, (METRICS[name].title,)) for name in MAIN))
    rows = []
    for found in diffs:
        figures = [_before_after(name, found.metrics[name]) for name in MAIN]
        state = {"added": " (new)", "deleted": " (deleted)"}.get(found.kind, "")
        rows.append((Cell(found.name + state), *map(Cell, figures)))
    return markdown(Grid(columns, tuple(rows)))


def _details(found: ReportDiff) -> str:
    totals = markdown(msgspec.structs.replace(totals_grid(found, ""), title=""))
    layers = markdown(layers_grid(found)) if found.layers else ""
    count = len(found.layers)
    what = f"{count:,} layer{'s' * (count != 1)} changed" if found.kind == "changed" else found.kind
    head = f"<summary>{escaped_in_html(found.name)}: {what}</summary>"
    return f"\n<details>\n{head}\n\n{totals}\n{layers}\n</details>\n"


def _layer_line(change: LayerChange) -> tuple[str, ...]:
    costs = change.costs
    return (
        MARKS[change.kind],
        printable(change.name),
        _what(change),
        *(_change(name, costs[name])[0] for name in MAIN),
    )


def _what(change: LayerChange) -> str:
    """What a layer is, or which of its fields changed to what."""
    if change.before is None or change.after is None:
        return f"{change.row.kind} → {fmt_shape(change.row.output)}"
    fields = [f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in change.fields.items()]
    return printable(", ".join(fields)) if fields else "other inputs"


def _value(value: Any) -> str:
    if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        return fmt_shape(value)
    return "none" if value is None else str(value)


def _before_after(name: str, delta: Delta) -> str:
    if delta.before is None or delta.after is None:
        return _figure(name, delta.after if delta.before is None else delta.before)
    if delta.before == delta.after:
        return _figure(name, delta.after)
    return f"{_figure(name, delta.before)} → {_figure(name, delta.after)} ({_change(name, delta)[1]} %)"


def _figure(name: str, value: int | None) -> str:
    return "–" if value is None else figure(name, value)


def _change(name: str, delta: Delta) -> tuple[str, str]:
    """By how much a figure grew, in its unit and in percent."""
    if delta.change is None:
        return "–", "–"
    sign = "-" if delta.change < 0 else "+" if delta.change else ""
    share = "–" if not delta.before else f"{sign}{in_unit(100 * abs(delta.change), delta.before, 1)}"
    return f"{sign}{_figure(name, abs(delta.change))}", share


def _prose(lines: Iterable[str]) -> str:
    return "".join(f"{escaped(line)}\n\n" for line in lines if line).rstrip("\n") + "\n"


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 2].rpartition("\n")[0] + "\n…"
