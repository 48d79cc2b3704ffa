"""`archcalc table`."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import chosen_format, format_options, settings_options
from archcalc.engine.figures import FIGURES
from archcalc.engine.report import Report
from archcalc.errors import SettingError, SpecError
from archcalc.render.columns import DATA, EXACT_UNITS, LECTURE_UNITS, NAMES, choose, default_columns
from archcalc.render.output import print_grid, show_grid, terminal_width, write
from archcalc.render.table import fitted_grid, without_totals

HELP = f"""Print what every layer of an architecture costs.

NAME is a shipped architecture (see `archcalc list`), FILE a YAML or JSON spec, - standard input. Memory is the
size of a layer's output (KB = 1024 bytes), params counts weights and biases. `*` marks the rows that together
hold at least half of a column. The data formats (json, jsonl, csv, tsv) hold exact figures and all layers,
in the same columns for every network.

Columns: {" ".join(NAMES)}

{"; ".join(f"{figure.name} is {figure.of_a_layer}" for figure in FIGURES.values() if figure.of_a_layer)}.
"""


@click.command(cls=Command, context_settings=HELP_OPTIONS, help=HELP)
@click.argument("spec", metavar="NAME|FILE|-")
@settings_options
@click.option(
    "--columns",
    metavar="LIST",
    help="Comma-separated columns; `default` and `share` name several, a leading + adds to the default ones.",
)
@click.option("--all", "all_", is_flag=True, help="Also show rows that cost nothing and change no shape.")
@click.option("--exact", is_flag=True, help="Exact integers and bytes in place of KB, k and M.")
@click.option("--wide", is_flag=True, help="Never drop a column or change units to fit the terminal.")
@format_options
def table(
    spec: str,
    assignments: tuple[tuple[str, Any], ...],
    columns: str | None,
    all_: bool,
    exact: bool,
    wide: bool,
    format_: str | None,
    json_: bool,
    output: str | None,
    **settings: Any,
) -> None:
    """Print what every layer of an architecture costs."""
    from archcalc.analysis import analyze
    from archcalc.spec.catalogue import find

    choose(columns)  # an unknown column is said before anything is computed
    form = chosen_format(format_, json_, output)
    if columns is not None and form in ("json", "jsonl"):
        raise SettingError(f"--columns cannot be combined with {form}, which holds every figure", hint="use csv or tsv")
    units = EXACT_UNITS if exact else LECTURE_UNITS
    width = None if wide or output else terminal_width()

    def grid(report: Report, to: int | None) -> Any:
        return fitted_grid(report, to, choose(columns, default_columns(report)), units=units, hide=not all_)

    try:
        report = analyze(find(spec), vars=dict(assignments), **settings)
    except SpecError as error:
        partial = error.partial
        if isinstance(partial, Report) and partial.layers and form == "table" and not output:
            rows, gap = grid(partial, width)
            show_grid(without_totals(rows), gap)
        raise
    if form in ("json", "jsonl", "csv", "tsv"):
        from archcalc.render.formats.data import report_data

        write(report_data(report, form, choose(columns, DATA)), output)
    elif form == "table" and not output:
        show_grid(*grid(report, width))
    else:
        print_grid(grid(report, None)[0], form, output)
