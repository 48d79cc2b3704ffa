"""`archcalc verify`."""

from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import JSON_OR_TABLE, batch_option, format_by_ending, input_option, output_option, set_option
from archcalc.evidence.layer_agreement import DEVICES, DTYPES

if TYPE_CHECKING:
    from archcalc.evidence.layer_agreement import Verification

DIFFERS, NOT_CHECKED = 1, 2


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("specs", nargs=-1, metavar="NAME|FILE|-...")
@click.option("--all", "all_", is_flag=True, help="Every shipped architecture.")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where to run; meta computes shapes without data.",
)
@batch_option
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="Type of the parameters and activations; by default float32, with --fold float64.",
)
@input_option
@set_option
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of weights and input.")
@click.option("--train", is_flag=True, help="Run in training mode rather than in eval mode.")
@click.option("--memory", is_flag=True, help="Compare also what training keeps, and the most that is alive at once.")
@click.option("--fold", is_flag=True, help="Compare outputs with those of the network with its batch norms folded.")
@click.option("--training", is_flag=True, help="Compare a training step: operations, memory and optimizers.")
@click.option("--checkpoint", metavar="none|blocks|LAYERS", help="With --training: what runs once more.")
@click.option(
    "--layers",
    "layers_",
    is_flag=True,
    help="Show every layer: of one architecture, or with --json of any number.",
)
@click.option("--json", "json_", is_flag=True, help="Verdicts, differences, and what they were taken with, as JSON.")
@output_option
@click.pass_context
def verify(
    ctx: click.Context,
    specs: tuple[str, ...],
    all_: bool,
    device: str,
    batch: int,
    dtype: str | None,
    input: tuple[int, ...] | None,
    assignments: tuple[tuple[str, Any], ...],
    seed: int,
    train: bool,
    memory: bool,
    fold: bool,
    training: bool,
    checkpoint: str | None,
    layers_: bool,
    json_: bool,
    output: str | None,
) -> None:
    """Build architectures in PyTorch, run each once, and compare every layer with what archcalc computes.

    Compared are the output's shape, its bytes, parameters, buffers and multiply-adds (MACs). Only the fields of the
    spec reach PyTorch, and all figures are read off its own tensors and its own counter. With --device auto a model
    that does not fit the memory runs on the meta device, and the output says so. Needs `pip install "archcalc[torch]"`.

    With --memory, a further pass in training mode tells what autograd keeps of each layer for the backward pass, each
    tensor once, and one in eval mode the most bytes of activations that are alive at once; the peaks may be 2 % apart.

    Of an architecture that does not fit and whose spec has `reduced` vars, --memory with --device auto runs a smaller
    copy besides, with data, and the output says which.

    With --fold, batch norms get random statistics and parameters, and are folded into the layers before them as
    `archcalc fold` does; the outputs of every layer must then agree with those of the network as it stands.

    With --training, one step is trained: compared are the multiply-adds of every layer forward and backward with
    PyTorch's counter (of grouped convolutions as it counts them since pytorch/pytorch#183405), what each layer saves,
    parameters, gradients, buffers, the state of every optimizer, and the most that is alive at once, on the CPU.

    Exits with 1 if anything differs, and with 2 if a model could not be run or checked.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.api import smaller_copy
    from archcalc.cli.progress import with_progress
    from archcalc.cli.verify_folding import check_settings, verify_folding
    from archcalc.cli.verify_training import check_training_options, verify_training
    from archcalc.errors import SettingError
    from archcalc.spec.catalogue import find, names

    json_ = json_ or format_by_ending(output, JSON_OR_TABLE, "table", "--json") == "json"
    if bool(specs) == all_:
        raise SettingError("name what to verify, or give --all", hint="archcalc verify resnet50")
    dtype = dtype or ("float64" if fold else "float32")
    check_training_options(training=training, checkpoint=checkpoint, train=train, memory=memory, fold=fold)
    if fold:
        check_settings(device=device, dtype=dtype, train=train, memory=memory)
    chosen = [find(what) for what in (names() if all_ else specs)]
    if layers_ and len(chosen) != 1 and not json_:
        raise SettingError(f"--layers is for one architecture, got {len(chosen)}", hint="add --json")
    vars_ = dict(assignments)
    if fold:
        settings = {"device": device, "batch": batch, "dtype": dtype, "input": input, "seed": seed, "vars": vars_}
        verify_folding(ctx, chosen, settings, layers=layers_, json=json_, output=output)
        return
    if training:
        settings = {"device": device, "batch": batch, "dtype": dtype, "input": input, "seed": seed, "vars": vars_}
        settings["checkpoint"] = checkpoint or "none"
        verify_training(ctx, chosen, settings, layers=layers_, json=json_, output=output)
        return
    pairs = [analyze_graph(a, input=input, batch=batch, dtype=dtype, vars=vars_) for a in chosen]  # errors come first
    from archcalc.torch_backend import verify as backend
    from archcalc.torch_backend.devices import chosen_device, environment

    taken_with = environment(chosen_device(device))
    found: list[Verification] = []
    how: dict[str, Any] = {"device": device, "train": train, "seed": seed, "memory": memory}
    for architecture, (graph, report) in zip(chosen, with_progress(pairs), strict=True):
        copy = smaller_copy(architecture, report, vars_)
        found += backend.verify_as_it_fits(graph, report, copy, **how)
    settings = {
        "device": device,
        "batch": batch,
        "dtype": dtype,
        "seed": seed,
        "train": train,
        "memory": memory,
        "vars": vars_,
    }
    if json_:
        _write_json(found, settings, taken_with, layers_, output)
    else:
        mode = "training mode" if train else "eval mode"
        caption = f"torch {taken_with['torch']} on {taken_with['device_name']} · batch {batch} · {dtype} · {mode}"
        _write_tables(found, caption, layers_, output)
    verdicts = {verification.verdict for verification in found}
    if "differs" in verdicts:
        ctx.exit(DIFFERS)
    if verdicts != {"agrees"}:
        ctx.exit(NOT_CHECKED)


def _write_json(
    found: list["Verification"], settings: dict[str, Any], taken_with: dict[str, str], layers_: bool, output: str | None
) -> None:
    from archcalc.evidence.layer_agreement import SCHEMA_VERSION, summary
    from archcalc.render.formats.data import as_record_of_a_run
    from archcalc.render.output import write

    verified = [verification.to_dict(all_layers=layers_) for verification in found]
    text = as_record_of_a_run(SCHEMA_VERSION, taken_with, settings, summary=summary(found), architectures=verified)
    write(text, output)


def _write_tables(found: list["Verification"], caption: str, layers_: bool, output: str | None) -> None:
    from archcalc.render import layer_agreement as render
    from archcalc.render.output import print_grids

    grids = [render.layers_grid(found[0])] if layers_ and found[0].layers else []
    if any(verification.count("differs") for verification in found):
        grids.append(render.differences_grid(found))
    if any(verification.memory for verification in found):
        grids.append(render.memory_grid(found))
    grids.append(render.architectures_grid(found, caption))
    print_grids(grids, output)
