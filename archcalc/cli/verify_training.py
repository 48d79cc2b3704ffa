"""`archcalc verify --training`: one training step in PyTorch against what archcalc computes."""

from collections.abc import Sequence
from typing import Any

import click

from archcalc.errors import SettingError
from archcalc.spec.architecture import Architecture

DIFFERS, NOT_CHECKED = 1, 2


def check_training_options(*, training: bool, checkpoint: str | None, train: bool, memory: bool, fold: bool) -> None:
    """Raise SettingError for options that do not go with --training, or only with it."""
    if checkpoint is not None and not training:
        hint = "archcalc verify resnet50 --training --checkpoint blocks"
        raise SettingError("--checkpoint needs --training", hint=hint)
    for option, given in (("--train", train), ("--memory", memory), ("--fold", fold)):
        if training and given:
            raise SettingError(f"{option} cannot be combined with --training, which compares its own figures")


def verify_training(
    ctx: click.Context,
    chosen: Sequence[Architecture],
    settings: dict[str, Any],
    *,
    layers: bool,
    json: bool,
    output: str | None,
) -> None:
    """Train each architecture by one step, print what was compared, and exit as `verify` does."""
    from archcalc.analysis import analyze_graph
    from archcalc.cli.progress import with_progress

    how = {name: settings[name] for name in ("input", "batch", "dtype", "vars")}
    pairs = [analyze_graph(architecture, **how) for architecture in chosen]
    from archcalc.torch_backend import verify_training as backend
    from archcalc.torch_backend.devices import chosen_device, environment

    taken_with = environment(chosen_device(settings["device"]))
    more = {name: settings[name] for name in ("device", "checkpoint", "seed")}
    found = [backend.verify_training(graph, report, **more) for graph, report in with_progress(pairs)]
    if json:
        from archcalc.evidence.training_agreement import SCHEMA_VERSION
        from archcalc.render.formats.data import as_record_of_a_run
        from archcalc.render.output import write

        verified = [one.to_dict() for one in found]
        write(as_record_of_a_run(SCHEMA_VERSION, taken_with, settings, architectures=verified), output)
    else:
        from archcalc.render import training_agreement as render
        from archcalc.render.output import print_grids

        caption = f"torch {taken_with['torch']} · batch {settings['batch']:,} · {settings['dtype']} · one training step"
        grids = [render.figures_grid(found[0])] if layers else []
        grids += [render.differences_grid(found)] if any(one.count("differs") for one in found) else []
        print_grids([*grids, render.networks_grid(found, caption)], output)
    verdicts = {one.verdict for one in found}
    if "differs" in verdicts:
        ctx.exit(DIFFERS)
    if verdicts != {"agrees"}:
        ctx.exit(NOT_CHECKED)
