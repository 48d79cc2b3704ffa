"""`archcalc show`."""

import click

from archcalc.cli.base import HELP_OPTIONS, Command


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@click.option("--output", "-o", type=click.Path(), help="Write to this file instead of standard output.")
def show(spec: str, output: str | None) -> None:
    """Print the spec of an architecture, to read or to start your own from."""
    from archcalc.render.output import write
    from archcalc.spec.catalogue import find_text

    write(find_text(spec), output)
