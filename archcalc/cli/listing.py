"""`archcalc list`; a module named list would hide the builtin in its package."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, chosen_format, format_options


@click.command("list", cls=Command, context_settings=HELP_OPTIONS)
@format_options
def list_(format_: str | None, json_: bool, output: str | None) -> None:
    """List the shipped architectures with their input, parameters and FLOPs.

    FLOPs are those of the lecture convention: a multiply-add counts one.
    """
    from archcalc.analysis import analyze
    from archcalc.engine.report import inputs_in_words
    from archcalc.render.formats.data import records
    from archcalc.render.grid import Cell, Column, Grid
    from archcalc.render.output import print_grid, write
    from archcalc.spec.catalogue import load, names
    from archcalc.units import COUNT_UNITS, human

    form = chosen_format(format_, json_, output)
    reports = [analyze(load(name)) for name in names()]
    if form in DATA_FORMATS:
        rows: list[dict[str, Any]] = [
            {
                "name": report.architecture,
                "title": report.title,
                **report.settings.inputs_to_dict(),
                "params": report.totals.params,
                "macs": report.totals.macs,
                "flops": report.totals.flops,
            }
            for report in reports
        ]
        write(records(rows, form), output)
        return
    columns = (
        Column("name", ("name",), "left"),
        Column("title", ("title",), "left", least=20),
        Column("input", ("input",), drop_order=10),
        Column("params", ("params",)),
        Column("flops", ("FLOPs",)),
    )
    cells = (
        (
            report.architecture,
            report.title,
            inputs_in_words(report.settings.inputs, with_name=False),
            human(report.totals.params, COUNT_UNITS),
            human(report.totals.flops, COUNT_UNITS),
        )
        for report in reports
    )
    grid = Grid(columns, tuple(tuple(map(Cell, row)) for row in cells))
    print_grid(grid, form, output)
