"""`archcalc roofline`."""

from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import (
    DATA_FORMATS,
    batch_option,
    chosen_format,
    format_options,
    input_option,
    set_option,
)
from archcalc.evidence.layer_agreement import DEVICES
from archcalc.units import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from archcalc.engine.report import Report
    from archcalc.graph import Graph


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("spec", metavar="NAME|FILE|-")
@click.option("--on", "device", required=True, metavar="DEVICE", help="A device by its name (see `archcalc devices`).")
@input_option
@batch_option
@click.option(
    "--dtype",
    type=click.Choice(list(BYTES_PER_ELEMENT)),
    default="float32",
    show_default=True,
    help="Type of the parameters and activations, and of the peak.",
)
@click.option("--tf32", is_flag=True, help="Run products of float32 in TF32, as PyTorch's convolutions on CUDA do.")
@set_option
@click.option(
    "--measure",
    type=click.Choice([device for device in DEVICES if device != "meta"]),
    help="Time the layers on a device of this machine, as `archcalc bench` does, beside the roofline.",
)
@click.option("--all", "all_", is_flag=True, help="Show the layers that move nothing, such as flatten, too.")
@format_options
def roofline(
    spec: str,
    device: str,
    input: Any,
    batch: int,
    dtype: str,
    tf32: bool,
    assignments: tuple[tuple[str, Any], ...],
    measure: str | None,
    all_: bool,
    format_: str | None,
    json_: bool,
    output: str | None,
) -> None:
    """Print the least time that a device takes for each layer of a forward pass, and what bounds it.

    It is the larger of two: the multiply-adds, two operations each, at the device's peak of dense products in the
    dtype; and the bytes that the layer must move, its inputs, its output and its parameters once each, at the bandwidth
    of the device's memory. Layers run one by one, and nothing is kept in caches. No kernel reaches the peak: where it
    is known what share large products were measured to reach, the time with that is told as well. `*` marks the layers
    that together take at least half of the time.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.cli.devices import own_devices
    from archcalc.hardware.devices import device_named
    from archcalc.hardware.roofline import roofline as roofline_of
    from archcalc.render.formats.data import as_json, as_json_lines, records
    from archcalc.render.output import print_grid, write
    from archcalc.render.roofline import roofline_grid
    from archcalc.spec.catalogue import find

    form = chosen_format(format_, json_, output)
    known = device_named(device, own_devices())
    graph, report = analyze_graph(find(spec), input=input, batch=batch, dtype=dtype, vars=dict(assignments))
    found = roofline_of(report, known, tf32=tf32)
    seconds, on = ([], "") if measure is None else _measured(graph, report, measure, known.name)
    if form not in DATA_FORMATS:
        grid = roofline_grid(found, measured=seconds, measured_on=on, all_layers=all_)
        print_grid(grid, form, output)
        return
    rows = found.records()
    if measure is not None:
        rows = [{**row, "measured_seconds": took} for row, took in zip(rows, seconds, strict=False)]
    head = {**found.to_dict(), "measured_on": on or None, "measured_seconds": seconds[-1] if seconds else None}
    if form == "json":
        write(as_json({**head, "layers": rows}), output)
    elif form == "jsonl":
        del head["layers"]
        write(as_json_lines([head, *rows]), output)
    else:
        write(records(rows, form), output)


def _measured(graph: "Graph", report: "Report", wanted: str, name: str) -> tuple[list[float | None], str]:
    """The seconds that each layer takes here, those of the whole last, and on what."""
    from archcalc.torch_backend import timing as backend
    from archcalc.torch_backend.devices import chosen_device, environment

    on = chosen_device(wanted)
    timing = backend.time_network(graph, report, backend.roof_of(on, report.settings.dtype), device=on)
    where = environment(on)
    words = f"torch {where['torch']} on {where['device_name']}, which may be another device than {name}"
    return [*[layer.seconds for layer in timing.layers], timing.whole.median], words
