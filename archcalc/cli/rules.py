"""`archcalc rules`."""

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, chosen_format, format_options


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@format_options
def rules(format_: str | None, json_: bool, output: str | None) -> None:
    """List the rules of `archcalc check` with their ids, which never change, and the exit codes that they lead to."""
    from archcalc.gate.rules import RULES
    from archcalc.render.formats.data import records
    from archcalc.render.grid import Cell, Column, Grid
    from archcalc.render.output import print_grid, write

    form = chosen_format(format_, json_, output)
    if form in DATA_FORMATS:
        write(records([rule.to_dict() for rule in RULES], form), output)
        return
    columns = (
        Column("id", ("id",), "left"),
        Column("name", ("name",), "left"),
        Column("level", ("level",), "left", drop_order=10),
        Column("exit", ("exit",)),
        Column("statement", ("what is found",), "left", least=20),
    )
    rows = tuple(tuple(map(Cell, (r.id, r.name, r.level, str(r.exit_code), r.statement))) for r in RULES)
    print_grid(Grid(columns, rows), form, output)
