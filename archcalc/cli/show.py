"""`archcalc show`."""

import re

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import format_by_ending, output_option

SPEC_ENDINGS = {".yaml": "yaml", ".yml": "yaml", ".txt": "yaml"}


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@click.option("--flat", is_flag=True, help="Print the spec layer by layer, without blocks, vars and expressions.")
@output_option
def show(spec: str, flat: bool, output: str | None) -> None:
    """Print the spec of an architecture, to read or to start your own from.

    A variant's name shows its whole family; --flat shows just that variant.
    """
    from archcalc.errors import printable
    from archcalc.render.output import write
    from archcalc.spec.catalogue import find, find_text

    if not flat:
        text = find_text(spec)
        is_json = text.lstrip("\ufeff \t\r\n").startswith("{")  # which is YAML, too
        format_by_ending(output, {**SPEC_ENDINGS, ".json": "json"} if is_json else SPEC_ENDINGS, "yaml")
        if output is None:  # a file may hold what a terminal would obey
            lines = re.sub(r"[^\t\n]+", lambda run: printable(run.group()), text.replace("\r\n", "\n")).rstrip("\n")
            text = f"{lines}\n"
        write(text, output)
        return
    from archcalc.analysis import graph_of
    from archcalc.spec.writer import flat_spec

    format_by_ending(output, SPEC_ENDINGS, "yaml")
    write(flat_spec(graph_of(find(spec))), output)
