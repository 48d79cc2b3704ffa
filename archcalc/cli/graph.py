"""`archcalc graph`."""

import sys
from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import format_by_ending, input_option, output_option, set_option
from archcalc.errors import SettingError

FORMATS = ("mermaid", "dot", "svg", "png")
ENDINGS = {".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg", ".png": "png"}


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@input_option
@set_option
@click.option(
    "--depth",
    type=click.IntRange(1),
    help="Levels of names to show: at 2, layer1.0.conv1 is inside a box layer1.0. By default, as many as give at "
    "most 60 boxes.",
)
@click.option("--all", "all_", is_flag=True, help="Show every layer and every repetition.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Output format; by default mermaid, or by the ending of --output (.mmd .dot .svg .png).",
)
@output_option
def graph(
    spec: str,
    input: tuple[int, ...] | None,
    assignments: tuple[tuple[str, Any], ...],
    depth: int | None,
    all_: bool,
    format_: str | None,
    output: str | None,
) -> None:
    """Draw the graph of an architecture: its layers, and the shapes that flow between them.

    NAME is a shipped architecture (see `archcalc list`), FILE a YAML or JSON spec, - standard input. Mermaid is drawn
    by GitHub in a block of Markdown that begins with ```mermaid; svg and png need Graphviz.

    Layers whose names share a prefix are a group: a frame around its layers, or, below --depth, one box with a double
    border. Numbered repetitions of equal layers and shapes are drawn once: `layer3.1…5 ×5` are five in a row, each
    reading the one before. Layers that nothing reads go to
    the output.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.render.charts import diagram
    from archcalc.render.charts.outline import MAX_LEVELS, outline_of
    from archcalc.render.output import write
    from archcalc.spec.catalogue import find

    if all_ and depth is not None:
        raise SettingError(f"--all and --depth {depth} cannot be combined", hint="give one of them")
    form = format_ or format_by_ending(output, ENDINGS, "mermaid", "--format")
    if form == "png" and output is None and sys.stdout.isatty():
        raise SettingError("cannot write png to a terminal", hint="write it to a file: --output net.png")
    drawn = analyze_graph(find(spec), input=input, vars=dict(assignments))
    outline = outline_of(*drawn, MAX_LEVELS + 1 if all_ else depth, repetitions=not all_)
    if form == "mermaid":
        text = diagram.mermaid(outline)
        write(text, output)
        if (too_large := diagram.too_large_for_mermaid(outline, text)) is not None:
            click.echo(f"note: {too_large}; a lower --depth shows less, --format dot has no limit", err=True)
        return
    text = diagram.dot(outline)
    if form == "dot":
        write(text, output)
    else:
        from archcalc.render.charts.graphviz import drawn as drawn_by_graphviz

        write(drawn_by_graphviz(text, form), output)
