"""Comparison → pictures by matplotlib: bars as the lecture draws them, and architectures as points of a plane."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from archcalc.comparison.compare import Comparison
from archcalc.engine.figures import METRICS, Figure
from archcalc.engine.report import Report
from archcalc.errors import SettingError, printable
from archcalc.render.charts.bars import COLOURS, shown
from archcalc.render.compare import figure
from archcalc.training.activations import Activations
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, Unit

ROW_INCHES, PANEL_INCHES, EDGE_INCHES = 0.19, 3.1, 1.1
SCATTER_INCHES = (7.2, 5.2)
LETTERS_PER_INCH = 17
TALLEST_INCHES = 160.0
"""A picture of more pixels than 2^16 along a side cannot be drawn."""
DECADE = 10
HISTOGRAM_INCHES = 1.0
OFFSETS = ((7, -3), (-7, -3), (0, 6), (0, -13), (6, 5), (-6, 5), (6, -11), (-6, -11))
FAR_OFFSETS = ((22, 16), (-22, 16), (22, -22), (-22, -22), (0, 26), (0, -32), (38, 0), (-38, 0))
"""Places for the label of a point, in points from it, the far ones with a line to it: the first free one is used."""
NEAR_PIXELS = 5


class Point(NamedTuple):
    """An architecture in the plane of two metrics."""

    name: str
    x: int
    y: int


def bar_picture(found: Comparison, metrics: Sequence[str], caption: str, form: str) -> bytes:
    """Bars for each group of each architecture, a panel for each metric, as svg, png or pdf."""
    plt = _matplotlib()
    groups, note = shown(found)
    lines = [line for line in groups if any(found.figures(line, m) != [0] * len(found.reports) for m in metrics)]
    n = len(found.reports)
    height = min(TALLEST_INCHES, EDGE_INCHES + ROW_INCHES * max(1, len(lines)) * max(1.2, 0.85 * n))
    longest = max((len(line.name) for line in lines), default=0)
    size = (PANEL_INCHES * len(metrics) + 0.075 * longest + 0.4, height + 0.4)
    fig, axes = plt.subplots(1, len(metrics), sharey=True, squeeze=False, figsize=size, layout="constrained")
    for axis, metric in zip(axes[0], metrics, strict=True):
        unit = _unit(METRICS[metric], [v or 0 for line in lines for v in found.figures(line, metric)])
        for i, report in enumerate(found.reports):
            values = [(found.figures(line, metric)[i] or 0) / unit.worth for line in lines]
            places = [row + (i - (n - 1) / 2) * 0.8 / n for row in range(len(lines))]
            name = printable(report.architecture)
            total = figure(metric, found.totals(metric)[i])
            axis.barh(places, values, height=0.8 / n, color=COLOURS[i % len(COLOURS)], label=f"{name}: {total}")
        axis.set_xlim(left=0)
        axis.set_title(
            f"{METRICS[metric].title} ({unit.symbol})" if unit.symbol else METRICS[metric].title, fontsize=10
        )
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.45 / height), frameon=False)
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[0][0].set_yticks(range(len(lines)), [_text(line.name) for line in lines])
    axes[0][0].set_ylim(len(lines) - 0.4, -0.6)
    fig.suptitle(" and ".join(_text(report.title) for report in found.reports), fontsize=11)
    _caption(fig, f"{caption} · {note}" if note else caption, size[0])
    return _saved(fig, form)


def scatter_picture(reports: Sequence[Report], x: Figure, y: Figure, caption: str, form: str) -> bytes:
    """Architectures as points, labelled; an axis is logarithmic where the figures span a decade or more.

    Raises SettingError where a figure is unknown, and where figures are symbols or arrays.
    """
    plt = _matplotlib()
    points: list[Point] = []
    for report in reports:
        report.require_plain("drawn")
        across, up = x.of(report), y.of(report)
        if across is None or up is None:
            title = x.title if across is None else y.title
            raise SettingError(f"{report.architecture}: {title} is unknown", hint="leave it out")
        points.append(Point(report.architecture, across, up))
    fig, axis = plt.subplots(figsize=SCATTER_INCHES, layout="constrained")
    for metric, place, set_scale, values in (
        (x, axis.xaxis, axis.set_xscale, [point.x for point in points]),
        (y, axis.yaxis, axis.set_yscale, [point.y for point in points]),
    ):
        unit = _unit(metric, values)
        spans_decades = min(values) > 0 and max(values) >= DECADE * min(values)
        if spans_decades:
            set_scale("log")
        place.set_major_formatter(lambda value, _, unit=unit: f"{value / unit.worth:g}")
        if spans_decades:
            place.set_minor_formatter(lambda *_: "")
        place.set_label_text(_with_unit(metric, unit))
    axis.scatter([point.x for point in points], [point.y for point in points], color=COLOURS[4], s=26, zorder=3)
    axis.margins(0.12)
    axis.grid(alpha=0.3)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    _caption(fig, caption, SCATTER_INCHES[0])
    _label(fig, axis, points)
    return _saved(fig, form)


def _label(fig: Any, axis: Any, points: Sequence[Point]) -> None:
    """Write the names beside the points, each where it meets the fewest labels and points."""
    from matplotlib.text import Text

    fig.canvas.draw()
    renderer = fig.canvas.get_renderer()
    dots = [axis.transData.transform((point.x, point.y)) for point in points]
    taken: list[Any] = []
    for point, own in zip(points, dots, strict=True):
        labels = []
        for dx, dy in (*OFFSETS, *FAR_OFFSETS):
            label = axis.annotate(
                _text(point.name),
                (point.x, point.y),
                xytext=(dx, dy),
                textcoords="offset points",
                fontsize=7.5,
                ha="left" if dx > 0 else "right" if dx < 0 else "center",
                arrowprops={"arrowstyle": "-", "color": "#999999", "lw": 0.6} if (dx, dy) in FAR_OFFSETS else None,
            )
            label.set_in_layout(False)  # or the layout would move once all is placed
            label.update_positions(renderer)
            box = Text.get_window_extent(label, renderer).padded(NEAR_PIXELS)  # without the line
            met = sum(box.overlaps(other) for other in taken) + sum(
                box.contains(*dot) for dot in dots if dot is not own
            )
            labels.append((met + 2 * (box.x0 < axis.bbox.x0 or box.x1 > fig.bbox.x1), label, box))
            if not labels[-1][0]:
                break
        _, kept, box = min(labels, key=lambda found: found[0])
        for _, label, _ in labels:
            if label is not kept:
                label.remove()
        taken.append(box.padded(-NEAR_PIXELS))


def histograms_picture(found: Activations, caption: str, form: str) -> bytes:
    """For each layer the histograms of its outputs and of their gradients, side by side, as svg, png or pdf."""
    plt = _matplotlib()
    rows = found.layers[: int((TALLEST_INCHES - EDGE_INCHES) / HISTOGRAM_INCHES)]
    size = (2 * PANEL_INCHES, EDGE_INCHES + HISTOGRAM_INCHES * max(1, len(rows)))
    fig, axes = plt.subplots(max(1, len(rows)), 2, sharex="col", squeeze=False, figsize=size, layout="constrained")
    for line, row in zip(axes, rows, strict=False):
        for axis, of, span, verdict, colour in (
            (line[0], row.output, found.output_range, row.verdict, COLOURS[4]),
            (line[1], row.gradient, found.gradient_range, row.gradient_verdict, COLOURS[5]),
        ):
            low, high = span
            axis.set_xlim(low, high)
            axis.set_yticks([])
            axis.tick_params(labelsize=7)
            if of is not None:
                step = (high - low) / len(of.histogram)
                places = [low + step * (i + 0.5) for i in range(len(of.histogram))]
                axis.bar(places, of.histogram, width=0.95 * step, color=colour)
                axis.set_title(_text(f"{row.name}: std {of.std:.3g}, {verdict}"), fontsize=8)
            for side in ("top", "right", "left"):
                axis.spines[side].set_visible(False)
    fig.suptitle(_text(f"{found.title}: outputs (left) and their gradients (right)"), fontsize=10)
    cut = f" · the first {len(rows):,} layers" if len(rows) < len(found.layers) else ""
    _caption(fig, f"{caption}{cut}", size[0])
    return _saved(fig, form)


def page(svg: bytes, title: str) -> str:
    """An SVG as an HTML page of its own."""
    from html import escape

    body = svg.decode()
    body = body[body.index("<svg") :]
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
    style = "<style>body{margin:1rem;background:#fff}svg{max-width:100%;height:auto}</style>\n"
    return f"{head}{style}{body}</html>\n"


def _unit(metric: Figure, values: Sequence[int]) -> Unit:
    """The unit in which the largest figure is at least 1."""
    units = MEMORY_UNITS if metric.unit == "bytes" else COUNT_UNITS
    return max((u for u in units if u.worth <= max(values, default=0)), key=lambda u: u.worth, default=units[0])


def _with_unit(metric: Figure, unit: Unit) -> str:
    return f"{metric.title} ({unit.symbol})" if unit.symbol else metric.title


def _text(text: str) -> str:
    return printable(text).replace("$", r"\$")  # matplotlib takes what stands between two for mathematics


def _caption(fig: Any, caption: str, width: float) -> None:
    lines = textwrap.wrap(_text(caption), int(LETTERS_PER_INCH * width))
    fig.supxlabel("\n".join(lines), fontsize=7, color="#555555")


def _saved(fig: Any, form: str) -> bytes:
    out = io.BytesIO()
    fig.savefig(out, format=form, dpi=150, metadata={"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form))
    import matplotlib.pyplot as plt

    plt.close(fig)
    return out.getvalue()


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise SettingError("matplotlib is not installed", hint='pip install "archcalc[plot]"') from None
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "archcalc", "svg.fonttype": "none", "axes.unicode_minus": False})
    return plt
