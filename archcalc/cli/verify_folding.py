"""`archcalc verify --fold`."""

from typing import Any

import click

from archcalc.cli.progress import with_progress
from archcalc.errors import SettingError
from archcalc.evidence.output_agreement import TOLERANCES, OutputAgreement, summary
from archcalc.render.output import print_grids, write
from archcalc.spec.architecture import Architecture

DIFFERS, NOT_COMPARED = 1, 2
SCHEMA_VERSION = 1


def check_settings(*, device: str, dtype: str, train: bool, memory: bool) -> None:
    """Raise SettingError for what does not go with --fold."""
    if memory:
        raise SettingError("--fold and --memory cannot be combined", hint="run one after the other")
    if train:
        raise SettingError(
            "--fold and --train cannot be combined: in training mode a batch norm uses the statistics of its batch",
            hint="leave out --train",
        )
    if device == "meta":
        raise SettingError("--fold compares outputs, which the meta device does not compute", hint="--device cpu")
    if dtype not in TOLERANCES:
        raise SettingError(f"{dtype} rounds too much to detect a wrong fold", hint=f"use {' or '.join(TOLERANCES)}")


def verify_folding(
    ctx: click.Context,
    chosen: list[Architecture],
    settings: dict[str, Any],
    *,
    layers: bool,
    json: bool,
    output: str | None,
) -> None:
    """Compare every architecture with its folded form, print the verdicts, and exit with their code.

    `settings` are the device, batch, dtype, input, seed and vars to run them with.
    """
    from archcalc.analysis import analyze_graph

    of_report = {key: settings[key] for key in ("input", "batch", "dtype", "vars")}
    pairs = [analyze_graph(architecture, **of_report) for architecture in chosen]  # errors come first
    from archcalc.torch_backend import verify_folding as backend
    from archcalc.torch_backend.devices import chosen_device, environment

    taken_with = environment(chosen_device(settings["device"]))
    run = {"device": settings["device"], "seed": settings["seed"]}
    found = [backend.verify_folding(graph, report, **run) for graph, report in with_progress(pairs)]
    if json:
        _write_json(found, settings, taken_with, layers, output)
    else:
        tolerance = TOLERANCES[settings["dtype"]]
        caption = (
            f"torch {taken_with['torch']} on {taken_with['device_name']} · batch {settings['batch']} · "
            f"{settings['dtype']} · tolerance {tolerance:g} of an output's largest number"
        )
        _write_tables(found, caption, layers, output)
    verdicts = {one.verdict for one in found}
    if "differs" in verdicts:
        ctx.exit(DIFFERS)
    if "could not run" in verdicts:
        ctx.exit(NOT_COMPARED)


def _write_json(
    found: list[OutputAgreement], settings: dict[str, Any], taken_with: dict[str, str], layers: bool, output: str | None
) -> None:
    from archcalc.render.formats.data import as_record_of_a_run

    compared = [one.to_dict(all_layers=layers) for one in found]
    text = as_record_of_a_run(SCHEMA_VERSION, taken_with, settings, summary=summary(found), architectures=compared)
    write(text, output)


def _write_tables(found: list[OutputAgreement], caption: str, layers: bool, output: str | None) -> None:
    from archcalc.render import output_agreement as render

    grids = [render.layers_grid(found[0])] if layers and found[0].differences else []
    if any(one.beyond for one in found):
        grids.append(render.differences_grid(found))
    grids.append(render.architectures_grid(found, caption))
    print_grids(grids, output)
