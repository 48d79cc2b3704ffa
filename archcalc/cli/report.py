"""`archcalc report`."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.compare import analyzed, caption, own_input_option
from archcalc.cli.options import format_by_ending, output_option, settings_options
from archcalc.errors import SettingError


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("specs", nargs=-1, metavar="NAME|FILE...")
@settings_options
@own_input_option
@output_option
def report(
    specs: tuple[str, ...],
    assignments: tuple[tuple[str, Any], ...],
    own_input: bool,
    output: str | None,
    **settings: Any,
) -> None:
    """Write an HTML page about an architecture, or several side by side.

    It is one file that needs no network: a table of all layers to sort and filter, bars, a treemap of where the cost
    is, and the graph. Several architectures are analysed at the input of the first, unless --input gives another
    or --own-input each its own.
    """
    from archcalc.render.output import write
    from archcalc.render.page.document import page

    if not specs:
        raise SettingError("give at least one architecture", hint="archcalc report resnet50 -o report.html")
    format_by_ending(output, {".html": "html", ".htm": "html"}, "html")
    networks = analyzed(specs, own_input=own_input, vars=dict(assignments), **settings)
    write(page(networks, caption([report for _, report in networks], own_input)), output)
