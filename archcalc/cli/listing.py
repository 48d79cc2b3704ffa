"""`archcalc list`; a module named list would hide the builtin in its package."""

import click
import msgspec

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, chosen_format, format_options


@click.command("list", cls=Command, context_settings=HELP_OPTIONS)
@format_options
def list_(format_: str | None, json_: bool, output: str | None) -> None:
    """List the shipped architectures with their input, parameters and FLOPs.

    FLOPs are those of the lecture convention: a multiply-add counts one.
    """
    from archcalc.engine.settings import inputs_in_words
    from archcalc.render.formats.data import records
    from archcalc.render.grid import Cell, Column, Grid
    from archcalc.render.output import print_grid, write
    from archcalc.shipped.figures import shipped_figures
    from archcalc.units import COUNT_UNITS, human

    form = chosen_format(format_, json_, output)
    architectures = shipped_figures()
    if form in DATA_FORMATS:
        write(records([msgspec.to_builtins(figures) for figures in architectures], form), output)
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
            figures.name,
            figures.title,
            inputs_in_words(figures.inputs, with_name=False),
            human(figures.params, COUNT_UNITS),
            human(figures.flops, COUNT_UNITS),
        )
        for figures in architectures
    )
    grid = Grid(columns, tuple(tuple(map(Cell, row)) for row in cells))
    print_grid(grid, form, output)
