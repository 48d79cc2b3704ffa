"""`archcalc training`."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import (
    ENDINGS,
    batch_option,
    chosen_format,
    input_option,
    output_option,
    set_option,
)
from archcalc.evidence.layer_agreement import DTYPES

FORMATS = ("table", "json", "markdown", "latex", "html")
FORMAT_ENDINGS = {ending: form for ending, form in ENDINGS.items() if form in FORMATS}


class Count(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """A whole number as people write it, such as 1.28M."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from archcalc.errors import SettingError
        from archcalc.units import parse_quantity

        try:
            found = parse_quantity(str(value), "count")
        except SettingError as error:
            self.fail(error.problems[0].message, param, ctx)
        if found.denominator != 1 or found < 1:
            self.fail(f"{value!r} is not a whole number ≥ 1", param, ctx)
        return int(found)


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@input_option
@batch_option
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="float32",
    show_default=True,
    help="Type of the parameters, gradients and activations.",
)
@set_option
@click.option(
    "--optimizer",
    default="sgd",
    show_default=True,
    help="sgd, momentum, adam, adamw, nadam, radam, adamax, adadelta, adagrad, rmsprop or adafactor.",
)
@click.option("--master-weights", is_flag=True, help="Of 16-bit parameters, update copies of float32.")
@click.option(
    "--checkpoint",
    default="none",
    show_default=True,
    metavar="none|blocks|LAYERS",
    help="What keeps only its inputs and runs once more: blocks, or layers by name or what names begin with.",
)
@click.option("--freeze", metavar="LAYERS", help="Comma-separated layers, or what their names begin with, that stay.")
@click.option("--images", type=Count(), help="Images of a whole training, such as 1.28M.")
@click.option("--epochs", type=click.IntRange(1, 10**9), help="How often it goes through them; 1 where left out.")
@click.option("--views", type=click.IntRange(1, 10**6), help="Views by which an image is tested, such as ten crops.")
@click.option("--on", "device", metavar="DEVICE", help="How long it takes a device (see `archcalc devices`).")
@click.option(
    "--utilisation", "--utilization", metavar="PERCENT", help="What share of the device's peak is used, such as 40%."
)
@click.option("--all", "all_", is_flag=True, help="Show the layers that multiply and save nothing, too.")
@click.option("--exact", is_flag=True, help="Exact integers in place of k, M and KiB.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Output format; by default a table.")
@click.option("--json", "json_", is_flag=True, help="Short for --format json.")
@output_option
def training(
    spec: str,
    input: Any,
    batch: int,
    dtype: str,
    assignments: tuple[tuple[str, Any], ...],
    optimizer: str,
    master_weights: bool,
    checkpoint: str,
    freeze: str | None,
    images: int | None,
    epochs: int | None,
    views: int | None,
    device: str | None,
    utilisation: str | None,
    all_: bool,
    exact: bool,
    format_: str | None,
    json_: bool,
    output: str | None,
) -> None:
    """Print what training an architecture costs: the memory of a step, and its operations forward and backward.

    Memory is the parameters, a gradient of each, the state of the optimizer as PyTorch holds it, buffers, and the
    activations that the backward pass needs; the most at once follows a step of PyTorch on the CPU tensor by tensor,
    and says "at least" where the backward pass of some layer is not known as far. Multiply-adds (MACs) backward are one
    product for each input that needs a gradient, and one for weights that are trained: the first layer needs no
    gradient of the network's input. `archcalc verify --training` compares all of it with PyTorch.

    With --checkpoint, segments of layers keep only their inputs and run once more, as torch.utils.checkpoint does.
    --dtype bfloat16 --master-weights is training in 16 bits with float32 copies of the parameters, in which the
    optimizer's state is; what torch.autocast keeps is not computed.

    With --images, --on and --utilisation it tells the device hours of a whole training: two operations for each
    multiply-add, at that share of the device's peak in the dtype. The share is yours to say; the update is left out.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.errors import SettingError
    from archcalc.spec.catalogue import find
    from archcalc.training.checkpointing import layers_named
    from archcalc.training.cost import training_cost

    form = chosen_format(format_, json_, output, FORMAT_ENDINGS)
    if images is None and (epochs is not None or views is not None):
        raise SettingError("--epochs and --views are of a whole training", hint="add --images 1.28M")
    if (device is None) != (utilisation is None) or (device is not None and images is None):
        hint = "such as --images 1.28M --epochs 90 --on rtx4090 --utilisation 40%"
        raise SettingError("device hours need --images, --on and --utilisation", hint=hint)
    graph, report = analyze_graph(find(spec), input=input, batch=batch, dtype=dtype, vars=dict(assignments))
    frozen = () if freeze is None else layers_named(graph, freeze)
    found = training_cost(
        graph,
        report,
        optimizer=optimizer,
        master_weights=master_weights,
        checkpoint=checkpoint,
        frozen=frozen,
    )
    run = None if images is None else found.run(images, epochs or 1, views or 1)
    hours = None
    if run is not None and device is not None and utilisation is not None:
        from archcalc.cli.devices import own_devices
        from archcalc.hardware.devices import device_named
        from archcalc.hardware.roofline import device_hours
        from archcalc.units import parse_percent

        hours = device_hours(run.macs, device_named(device, own_devices()), dtype, parse_percent(utilisation))
    if form == "json":
        import json

        import msgspec

        from archcalc.render.output import write

        whole = None if run is None else msgspec.structs.asdict(run)
        if whole is not None and hours is not None:
            whole["device_hours"] = hours.to_dict()
        data = {**found.to_dict(), "run": whole}
        write(json.dumps(data, indent=2, ensure_ascii=False) + "\n", output)
        return
    from archcalc.render import training as render
    from archcalc.render.output import print_grids, write

    grids = [render.ladder_grid(found), render.layers_grid(found, all_layers=all_, exact=exact)]
    grids += [] if run is None else [render.run_grid(run, hours)]
    if form == "table":
        print_grids(grids, output)
        return
    from archcalc.render.formats import markup

    write("\n".join([getattr(markup, form)(grid) for grid in grids]), output)
