"""`archcalc fold`."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import format_by_ending, output_option, settings_options

FORMATS = ("yaml", "table", "json")
ENDINGS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".txt": "table"}


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@settings_options
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="yaml: the folded spec; table, json: which norms were folded, which stay and why, and the totals before and "
    "after. By default yaml, or by the ending of --output (.yaml .json .txt).",
)
@output_option
def fold(
    spec: str, assignments: tuple[tuple[str, Any], ...], format_: str | None, output: str | None, **settings: Any
) -> None:
    """Fold batch norms into the convolutions and linear layers before them, and print the resulting spec.

    In eval mode a batch norm multiplies each channel by a constant and adds another. A layer before it with
    other weights and another bias gives the same, without the norm's operations and output. A norm stays if it does
    not directly follow such a layer, or if something else reads that layer or shares its weights; standard error lists
    the norms that stay, the reasons, and the totals before and after.

    The spec is flat: layer by layer, at the --input and --set given. `archcalc verify --fold` shows in PyTorch that
    the outputs stay the same. A spec larger than archcalc can read is not written; --format table and json work for
    networks of any size.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.engine.propagation import report_on
    from archcalc.graph.batchnorm_folding import fold_batchnorms
    from archcalc.render import batchnorm_folding as render
    from archcalc.render.formats.text import plain
    from archcalc.render.output import print_grid, terminal_width, write
    from archcalc.spec.catalogue import find
    from archcalc.spec.writer import flat_spec

    form = format_ or format_by_ending(output, ENDINGS, "yaml", "--format")
    graph, before = analyze_graph(find(spec), vars=dict(assignments), **settings)
    folding = fold_batchnorms(graph, [row.output for row in before.layers])
    after, _ = report_on(folding.graph, before.settings)  # no shape changes, so that nothing can be wrong
    if form == "json":
        from archcalc.render.formats.data import as_json

        write(as_json(render.folding_data(folding, before, after)), output)
        return
    totals = render.totals_grid(folding, before, after)
    if form == "yaml":
        write(flat_spec(folding.graph), output)
        click.echo(plain(totals), nl=False, err=True)
    elif output or terminal_width() is None:
        write("\n".join(map(plain, [render.folds_grid(folding, before), totals])), output)
    else:
        print_grid(render.folds_grid(folding, before), "table")
        write("\n")
        print_grid(totals, "table")
