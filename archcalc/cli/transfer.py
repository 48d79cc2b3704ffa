"""`archcalc transfer`."""

from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import (
    DATA_FORMATS,
    ENDINGS,
    FORMATS,
    batch_option,
    chosen_format,
    input_option,
    output_option,
    set_option,
)
from archcalc.units import BYTES_PER_ELEMENT, INTEGERS

if TYPE_CHECKING:
    from archcalc.render.transfer import Transfer
    from archcalc.spec.derived import Derived

MOST_OUTPUTS = 10**9
SPEC_ENDINGS = {".yaml": "yaml", ".yml": "yaml"}
HELP = """Replace the layer that makes the outputs, freeze those before it, and tell what training then costs.

The recipe has two steps: first the new layer alone is trained, on the features that the frozen others extract; then all
is fine-tuned, at a tenth of the learning rate. Beside each stand the costs of training all: multiply-adds (MACs) of the
forward and the backward pass, what is kept for the backward pass, and the most memory at once. --mode shows one step
alone. What is replaced is the last convolution or linear layer on the way to the output; of several, --head names those
to replace. Frozen batch norms run in eval mode.

The spec of the new network extends NAME; -o net.yaml writes it. In Python, archcalc.to_torch("net.yaml") makes a module
of it, archcalc.freeze(model) freezes what the first step does, and archcalc.freeze(model, until="layer3") what --until
does.
"""


@click.command(cls=Command, context_settings=HELP_OPTIONS, help=HELP)
@click.argument("spec", metavar="NAME|FILE|-")
@click.option("--classes", type=click.IntRange(1, MOST_OUTPUTS), required=True, help="How many outputs it is to have.")
@click.option("--head", multiple=True, metavar="LAYER", help="The layer to replace; repeatable.")
@click.option(
    "--freeze", type=click.Choice(["features"]), help="Freeze all before the new layer: the step extract alone."
)
@click.option("--until", metavar="LAYER", help="When fine-tuning, freeze all up to this layer, or group of layers.")
@click.option("--mode", type=click.Choice(["extract", "finetune"]), help="One step alone; both if left out.")
@batch_option
@click.option(
    "--dtype",
    type=click.Choice([name for name in BYTES_PER_ELEMENT if name not in INTEGERS]),
    default="float32",
    show_default=True,
    help="Type of parameters, activations and gradients.",
)
@click.option(
    "--optimizer",
    default="sgd",
    show_default=True,
    help="Whose state counts as memory; as archcalc training has them.",
)
@input_option
@set_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["yaml", *FORMATS]),
    help="yaml: the spec of the new network. By default a table, or what the ending of --output says.",
)
@click.option("--json", "json_", is_flag=True, help="Short for --format json.")
@output_option
def transfer(
    spec: str,
    classes: int,
    head: tuple[str, ...],
    freeze: str | None,
    until: str | None,
    mode: str | None,
    batch: int,
    dtype: str,
    optimizer: str,
    input: Any,
    assignments: tuple[tuple[str, Any], ...],
    format_: str | None,
    json_: bool,
    output: str | None,
) -> None:
    """Replace the layer that makes the outputs, freeze those before it, and tell what training then costs."""
    from archcalc.render import transfer as render
    from archcalc.render.formats.data import as_document, records
    from archcalc.render.formats.text import plain
    from archcalc.render.output import print_grid, write

    form = chosen_format(format_, json_, output, {**ENDINGS, **SPEC_ENDINGS})
    names = _steps(freeze, until, mode)
    path = output if form == "yaml" and output is not None else "net.yaml"
    derived, found = _transferred(
        spec,
        classes,
        head,
        until,
        names,
        path,
        batch=batch,
        dtype=dtype,
        input=input,
        vars=dict(assignments),
        optimizer=optimizer,
    )
    if form == "json":
        write(as_document(render.SCHEMA_VERSION, **render.transfer_data(found, derived.text)), output)
    elif form in DATA_FORMATS:
        write(records(render.transfer_records(found), form), output)
    elif form == "yaml":
        write(derived.text, output)
        click.echo(plain(render.steps_grid(found)), nl=False, err=True)
    else:
        print_grid(render.steps_grid(found), form, output)
    if form == "yaml" and derived.how == "flat":
        click.echo("the spec is flat: what it is made of cannot be extended with other outputs", err=True)


def _steps(freeze: str | None, until: str | None, mode: str | None) -> tuple[str, ...]:
    """The steps that the options ask for; raises SettingError where they contradict."""
    from archcalc.errors import SettingError

    if until is not None and (freeze or mode == "extract"):
        other = "--freeze features" if freeze else "--mode extract"
        raise SettingError(f"--until and {other} cannot be combined", hint=f"{other} freezes all before what is new")
    if freeze and mode == "finetune":
        message = "--freeze features and --mode finetune cannot be combined"
        raise SettingError(message, hint="--until LAYER says what fine-tuning freezes")
    if freeze or mode == "extract":
        return ("extract",)
    return ("finetune",) if mode == "finetune" else ("extract", "finetune")


def _transferred(
    spec: str,
    classes: int,
    head: tuple[str, ...],
    until: str | None,
    names: tuple[str, ...],
    path: str,
    *,
    input: Any,
    vars: dict[str, Any],
    optimizer: str,
    **settings: Any,
) -> "tuple[Derived, Transfer]":
    """The spec of the new network, and what its steps cost."""
    from archcalc.analysis import analyze_graph
    from archcalc.render.transfer import Transfer
    from archcalc.spec.catalogue import find
    from archcalc.spec.derived import Origin, with_outputs
    from archcalc.training.transfer import features, find_heads, output_field, transfer_step, up_to

    architecture = find(spec)
    graph, _ = analyze_graph(architecture, input=input, vars=vars)
    heads = {position: str(output_field(graph.nodes[position])) for position in find_heads(graph, head)}
    frozen = {"extract": features(graph, list(heads)), "finetune": frozenset[int]()}
    if until is not None:
        frozen["finetune"] = up_to(graph, until, list(heads))
    origin = Origin(spec, architecture, graph, vars, other_input=bool(input))
    derived = with_outputs(origin, heads, frozen["extract"], classes, path)
    new_graph, report = analyze_graph(derived.architecture, **settings)
    everything = transfer_step("all", new_graph, report, optimizer=optimizer)
    steps = tuple([transfer_step(name, new_graph, report, frozen[name], optimizer=optimizer) for name in names])
    new = {graph.nodes[i].name: int(getattr(graph.nodes[i].layer, field)) for i, field in heads.items()}
    return derived, Transfer(report, everything, steps, new, classes, until)
