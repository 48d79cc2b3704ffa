"""`archcalc weight-decay`."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, chosen_format, format_options, input_option, set_option

CHOICES = ("decay", "keep")


@click.command("weight-decay", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@click.option(
    "--embeddings",
    type=click.Choice(CHOICES),
    default="decay",
    show_default=True,
    help="Whether tables that indices choose from decay.",
)
@click.option("--unknown", type=click.Choice(CHOICES), help="Whether learned tensors of unknown use decay.")
@input_option
@set_option
@format_options
def weight_decay(
    spec: str,
    embeddings: Any,
    unknown: Any,
    input: Any,
    assignments: tuple[tuple[str, Any], ...],
    format_: str | None,
    json_: bool,
    output: str | None,
) -> None:
    """Tell which parameters weight decay should shrink, and which it should leave as they are.

    The weights of convolutions, linear, recurrent and attention layers decay. Biases, scales and shifts of norms,
    factors of channels, slopes of activations, class tokens, and tables of positions and offsets do not. --embeddings
    chooses for tables of vectors. Each layer kind declares what its tensors are; one that may be anything (kind
    `parameter`) is shown as unknown, until --unknown chooses. Tensors that layers share count once.

    In Python, archcalc.parameter_groups(archcalc.to_torch(NAME)) are the same as parameter groups of an optimizer.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.render import weight_decay as render
    from archcalc.render.formats.data import as_document, records
    from archcalc.render.output import print_grids, write
    from archcalc.spec.catalogue import find
    from archcalc.training.weight_decay import DecayRule
    from archcalc.training.weight_decay import weight_decay as decayed

    form = chosen_format(format_, json_, output)
    graph, report = analyze_graph(find(spec), input=input, vars=dict(assignments))
    rule = DecayRule(embeddings, unknown)
    found = decayed(graph, report, rule)
    if form == "json":
        write(as_document(render.SCHEMA_VERSION, **render.decay_data(found, rule, report)), output)
    elif form in DATA_FORMATS:
        write(records(render.decay_records(found), form), output)
    else:
        print_grids([render.roles_grid(found, report), render.layers_grid(found)], output, form)
