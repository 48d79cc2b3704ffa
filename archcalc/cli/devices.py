"""`archcalc devices`, and the devices that are known where a command runs."""

from typing import TYPE_CHECKING

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, chosen_format, format_options

if TYPE_CHECKING:
    from archcalc.hardware.devices import Device


def own_devices() -> "dict[str, Device]":
    """The devices of the configuration that holds for the current folder."""
    from pathlib import Path

    from archcalc.gate.config import find_config, read_config

    return read_config(find_config(Path.cwd())).devices


@click.command("devices", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("name", required=False)
@format_options
def devices_(name: str | None, format_: str | None, json_: bool, output: str | None) -> None:
    r"""List the devices that are known, with memory, bandwidth and peaks; with NAME, all about one, with its sources.

    Memory is the vendor's label, whose GB are GiB; where a driver is known to report less, `fits` takes that. Peaks are
    operations a second of dense products, a multiply-add being two; none is with sparsity. `~` marks a value on which
    no two sources agree. Devices of your own stand in `archcalc.toml`:

    \b
    [devices.my-card]
    memory = "24GiB"
    bandwidth = "1008GB/s"
    peak = {float32 = "82.6T", float16 = "165T"}
    """
    from archcalc.hardware.devices import device_named, shipped_devices
    from archcalc.render import devices as render
    from archcalc.render.formats.data import records
    from archcalc.render.output import print_grid, write

    form = chosen_format(format_, json_, output)
    own = own_devices()
    listed = list({**shipped_devices(), **own}.values()) if name is None else [device_named(name, own)]
    if form in DATA_FORMATS:
        write(records([device.to_dict() for device in listed], form), output)
    else:
        print_grid(render.devices_grid(listed) if name is None else render.device_grid(listed[0]), form, output)
