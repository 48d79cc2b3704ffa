"""`archcalc activations`."""

import os
from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, ENDINGS, FORMATS, chosen_format, input_option, output_option, set_option
from archcalc.units import MAX_BATCH

DEVICES = ("auto", "cpu", "cuda", "mps")
PICTURES = (".svg", ".png", ".pdf")
HELP = """Run a forward and a backward pass at an initialisation, and tell what activations and gradients are like.

Inputs, and the gradients of the outputs, are normal numbers of standard deviation 1. --init is normal:STD, where STD is
a number or an expression in Din (how many inputs an output sums; of a convolution kernel² × input channels), xavier
(normal:1/sqrt(Din)), msra (normal:sqrt(2/Din)), or pytorch, its own. It is of the weights of convolutions and linear,
recurrent and attention layers; their biases are 0, and all else begins as PyTorch has it.

Shown are activations, and layers that none follows. Verdicts: {RULES}; just right otherwise. Beside the root mean
square (rms) stands what theory predicts. Needs `pip install "archcalc[torch]"`, a picture (-o net.svg .png .pdf) also
`pip install "archcalc[plot]"`.
"""


def _help() -> str:
    from archcalc.training.activations import RULES

    return HELP.replace("{RULES}", "; ".join(RULES))


@click.command(cls=Command, context_settings=HELP_OPTIONS, help=_help())
@click.argument("spec", metavar="NAME|FILE|-")
@click.option("--init", "init", required=True, metavar="INIT", help="normal:STD, xavier, msra or pytorch.")
@click.option(
    "--activation",
    type=click.Choice(["tanh", "relu"]),
    help="Replace all activations by this one, but for gates such as sigmoid.",
)
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=16, show_default=True, help="Batch size.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True, help="Of weights and inputs.")
@click.option("--all", "all_", is_flag=True, help="Show every layer.")
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True, help="Where to run.")
@input_option
@set_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Output format; by default a table, or what the ending of --output says.",
)
@click.option("--json", "json_", is_flag=True, help="Short for --format json.")
@output_option
def activations(
    spec: str,
    init: str,
    activation: str | None,
    batch: int,
    seed: int,
    all_: bool,
    device: str,
    input: Any,
    assignments: tuple[tuple[str, Any], ...],
    format_: str | None,
    json_: bool,
    output: str | None,
) -> None:
    """Run a forward and a backward pass at an initialisation, and tell what activations and gradients are like."""
    from archcalc.analysis import analyze_graph
    from archcalc.render import activations as render
    from archcalc.render.output import print_grid, write
    from archcalc.spec.catalogue import find
    from archcalc.training.activations import with_activation
    from archcalc.training.initialisation import initialisation

    ending = os.path.splitext(output or "")[1].lower()
    picture = ending.removeprefix(".") if ending in PICTURES and not (format_ or json_) else None
    form = picture or chosen_format(format_, json_, output, {**ENDINGS, **dict.fromkeys(PICTURES, "picture")})
    initial = initialisation(init)
    graph, report = analyze_graph(find(spec), input=input, batch=batch, vars=dict(assignments))
    with_activation(graph, activation)  # what cannot be replaced is said before anything runs
    from archcalc.torch_backend.activations import Runs
    from archcalc.torch_backend.devices import chosen_device, environment

    on = chosen_device(device)
    found = Runs(graph, report, device=on, seed=seed).at(initial, activation, all_layers=all_)
    if picture:
        from archcalc.render.charts.picture import histograms_picture

        write(histograms_picture(found, render.activations_grid(found).caption, picture), output)
    elif form == "json":
        from archcalc.render.formats.data import as_document

        write(as_document(render.SCHEMA_VERSION, **render.activations_data(found, environment(on))), output)
    elif form in DATA_FORMATS:
        from archcalc.render.formats.data import records

        write(records(render.activations_records(found), form), output)
    else:
        print_grid(render.activations_grid(found), form, output)
