"""`archcalc chart`."""

import os
from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.compare import BY_CHOICES, analyzed, caption, metric_option, own_input_option
from archcalc.cli.options import OutputFile, settings_options
from archcalc.engine.figures import LECTURE, METRICS
from archcalc.errors import SettingError

PICTURES = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".html": "svg", ".htm": "svg"}


HELP = f"""Draw what the layers of an architecture cost as bars, or several architectures side by side.

In the terminal, or with --output as a picture (needs pip install "archcalc[plot]"). Bars show layers, as in the
lecture, except those that compute nothing and keep the shape; for several architectures, they show stages, in groups.

--scatter draws each architecture as a labelled point of two metrics: {" ".join(METRICS)}. Each is then analysed at the
input of its own spec, unless --input gives one for all.
"""


@click.command(cls=Command, context_settings=HELP_OPTIONS, help=HELP)
@click.argument("specs", nargs=-1, metavar="NAME|FILE...")
@settings_options
@own_input_option
@metric_option
@click.option(
    "--by",
    type=click.Choice(BY_CHOICES),
    help="What each bar shows; by default layer, for several architectures stage.",
)
@click.option("--scatter", metavar="X:Y", help="Draw architectures as points of two metrics, such as flops:params.")
@click.option(
    "--output", "-o", type=OutputFile(), help="Picture to write: .svg, .png, .pdf or .html; by default, or as -, text."
)
def chart(
    specs: tuple[str, ...],
    assignments: tuple[tuple[str, Any], ...],
    own_input: bool,
    metric: str,
    by: Any,
    scatter: str | None,
    output: str | None,
    **settings: Any,
) -> None:
    """Draw what the layers of an architecture cost as bars, or several architectures side by side."""
    from archcalc.comparison.compare import compare
    from archcalc.render.output import write

    form = PICTURES.get(os.path.splitext(output or "")[1].lower())
    if output is not None and form is None:
        raise SettingError(f"{output}: not a picture format", hint=f"endings: {', '.join(PICTURES)}")
    if not specs:
        raise SettingError("give at least one architecture", hint="archcalc chart alexnet")
    own = own_input or (scatter is not None and not settings["input"])
    reports = [report for _, report in analyzed(specs, own_input=own, vars=dict(assignments), **settings)]
    if scatter is not None:
        picture = _scatter(reports, scatter, caption(reports, own), form)
    else:
        found = compare(reports, by or ("layer" if len(reports) == 1 else "stage"))
        metrics = LECTURE if metric == "all" else (metric,)
        if form is None:
            from archcalc.render.charts.bars import draw

            write(f"{caption(reports, own_input)}\n\n")
            draw(found, metrics)
            return
        from archcalc.render.charts.picture import bar_picture

        picture = bar_picture(found, metrics, caption(reports, own_input), form)
    if (output or "").lower().endswith((".html", ".htm")):
        from archcalc.render.charts.picture import page

        write(page(picture, ", ".join(report.title for report in reports)), output)
    else:
        write(picture, output)


def _scatter(reports: Any, metrics: str, caption: str, form: str | None) -> bytes:
    from archcalc.engine.figures import metric_named
    from archcalc.render.charts.picture import scatter_picture

    if form is None:
        raise SettingError("--scatter needs a picture file", hint="add -o picture.svg")
    x, colon, y = metrics.partition(":")
    if not colon:
        raise SettingError(f"--scatter {metrics} is not X:Y", hint="such as --scatter flops:params")
    return scatter_picture(reports, metric_named(x), metric_named(y), caption, form)
