"""`archcalc fits`."""

from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import ENDINGS, batch_option, chosen_format, input_option, output_option, set_option
from archcalc.units import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from archcalc.hardware.devices import Device

FORMATS = ("table", "json", "markdown", "latex", "html")
FORMAT_ENDINGS = {ending: form for ending, form in ENDINGS.items() if form in FORMATS}
DOES_NOT_FIT = 1


class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """Bytes as people write them, such as 24GiB."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from archcalc.errors import SettingError
        from archcalc.units import parse_quantity

        try:
            found = parse_quantity(str(value), "bytes")
        except SettingError as error:
            problem = error.problems[0]
            self.fail(f"{problem.message}; {problem.hint}", param, ctx)
        if found.denominator != 1:
            self.fail(f"{value!r} is not a whole number of bytes", param, ctx)
        return int(found)


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@click.option("--on", "device", metavar="DEVICE", help="A device by its name (see `archcalc devices`).")
@click.option("--memory", type=Bytes(), help="A memory in place of a device's, such as 24GiB.")
@click.option("--reserve", type=Bytes(), default="0", show_default=True, help="What to leave free of it, such as 1GiB.")
@click.option("--train", is_flag=True, help="Whether a training step fits; without it, a forward pass in eval mode.")
@input_option
@batch_option
@click.option(
    "--dtype",
    type=click.Choice(list(BYTES_PER_ELEMENT)),
    default="float32",
    show_default=True,
    help="Type of the parameters and activations.",
)
@set_option
@click.option("--optimizer", help="With --train, as `archcalc training` has them.  [default: sgd]")
@click.option("--master-weights", is_flag=True, help="With --train, of 16-bit parameters, update copies of float32.")
@click.option(
    "--checkpoint",
    metavar="none|blocks|LAYERS",
    help="With --train: what keeps only its inputs and runs once more.  [default: none]",
)
@click.option("--freeze", metavar="LAYERS", help="With --train: comma-separated layers, or what names begin with.")
@click.option(
    "--cards",
    metavar="NAMES",
    help="Several such devices by comma-separated names: each has the layers whose names begin with its own.",
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Output format; by default a table.")
@click.option("--json", "json_", is_flag=True, help="Short for --format json.")
@output_option
@click.pass_context
def fits(
    ctx: click.Context,
    spec: str,
    device: str | None,
    memory: int | None,
    reserve: int,
    train: bool,
    input: Any,
    batch: int,
    dtype: str,
    assignments: tuple[tuple[str, Any], ...],
    optimizer: str | None,
    master_weights: bool,
    checkpoint: str | None,
    freeze: str | None,
    cards: str | None,
    format_: str | None,
    json_: bool,
    output: str | None,
) -> None:
    """Tell whether an architecture fits a device's memory, what takes how much, and the largest batch that does.

    It exits with 0 where it fits, with 1 where it does not or that is not known, and with 2 for bad input. Where it
    does not fit, what may change that is computed: a smaller batch, 16 bits, checkpointing, and several devices that
    share a batch.

    At inference the parameters, the buffers and the most that is alive at once count, the input included; with --train
    what `archcalc training` prints. What kernels take for themselves (such as cuDNN's workspaces), the context of a
    device and the gaps of an allocator are not in it: --reserve leaves room for them. Where of some layer it is not
    known what it has in memory, the answer is "at least", and never yes.

    With --cards gpu1,gpu2, layers whose names begin with `gpu1.` are on one device and those of `gpu2.` on another:
    what each holds is told, and which tensors cross between them.
    """
    from archcalc.analysis import graph_of
    from archcalc.cli.devices import own_devices
    from archcalc.errors import SettingError
    from archcalc.hardware.devices import device_named
    from archcalc.hardware.fit import Fit, Training, fit
    from archcalc.hardware.placement import Placement, place
    from archcalc.spec.catalogue import find
    from archcalc.training.checkpointing import layers_named

    form = chosen_format(format_, json_, output, FORMAT_ENDINGS)
    if (device is None) == (memory is None):
        what = "neither a device nor a memory is given" if device is None else "--on and --memory cannot be combined"
        raise SettingError(what, hint="--on DEVICE (see `archcalc devices`) or --memory 24GiB")
    of_training = {
        "--optimizer": optimizer,
        "--master-weights": master_weights or None,
        "--checkpoint": checkpoint,
        "--freeze": freeze,
    }
    given = [name for name, value in of_training.items() if value is not None]
    if given and not train:
        raise SettingError(
            f"{' and '.join(given)} {'need' if len(given) > 1 else 'needs'} --train",
            hint="without it, what fits is a forward pass",
        )
    found_device = None if device is None else device_named(device, own_devices())
    available = memory if found_device is None else found_device.usable_bytes
    if available is None:
        raise SettingError(f"the memory of {device} is not known", hint="give it by --memory 24GiB")
    graph = graph_of(find(spec), input=input, vars=dict(assignments))
    training = None
    if train:
        frozen = () if freeze is None else layers_named(graph, freeze)
        training = Training(optimizer or "sgd", master_weights, checkpoint or "none", frozen)
    found: Fit | Placement
    if cards is None:
        found = fit(graph, available, batch=batch, dtype=dtype, training=training, reserve_bytes=reserve)
    else:
        named = [name.strip() for name in cards.split(",")]
        found = place(graph, named, available, batch=batch, dtype=dtype, training=training, reserve_bytes=reserve)
    if form == "json":
        from archcalc.render.formats.data import as_json
        from archcalc.render.output import write

        write(as_json({**found.to_dict(), "device": None if found_device is None else found_device.to_dict()}), output)
    else:
        from archcalc.render import fit as of_one
        from archcalc.render import placement as of_several
        from archcalc.render.output import print_grids, write

        doubts = _doubts(found_device)
        where = "the memory" if found_device is None else found_device.title
        if isinstance(found, Placement):
            grids = [of_several.parts_grid(found, where, doubts), of_several.crossings_grid(found)]
        else:
            ways = of_one.ways_grid(found)
            grids = [of_one.need_grid(found, where, doubts), *([] if ways is None else [ways])]
        if form == "table":
            print_grids(grids, output)
        else:
            from archcalc.render.formats import markup

            write("\n".join([getattr(markup, form)(grid) for grid in grids]), output)
    ctx.exit(0 if found.verdict == "yes" else DOES_NOT_FIT)


def _doubts(device: "Device | None") -> tuple[str, ...]:
    """What is to be known of a device's memory: that its driver reports less than its label, and how sure it is."""
    from archcalc.units import MEMORY_UNITS, human

    if device is None or device.memory is None:
        return ()
    found = []
    if device.usable_bytes != device.memory.value:
        found.append(f"its driver reports less than its {human(device.memory.value, MEMORY_UNITS)}")
    if device.memory.is_doubtful:
        found.append(f"~ the memory of {device.name} is doubtful: {device.memory.doubt}")
    return (*found, *([f"{device.name}: {device.note}"] if device.note else []))
