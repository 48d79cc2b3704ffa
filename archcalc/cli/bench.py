"""`archcalc bench`."""

from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import JSON_OR_TABLE, batch_option, format_by_ending, input_option, output_option, set_option
from archcalc.evidence.layer_agreement import DEVICES, DTYPES

if TYPE_CHECKING:
    from archcalc.evidence.timing import Roof, Timing


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("specs", nargs=-1, required=True, metavar="NAME|FILE|-...")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    metavar="[auto|cpu|cuda|mps|xpu]",
    help="Device to run on.",
)
@batch_option
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="float32",
    show_default=True,
    help="Dtype of parameters and activations.",
)
@input_option
@set_option
@click.option("--compile", is_flag=True, help="Also time the whole network under torch.compile.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Number of CPU threads for PyTorch.")
@click.option("--repeat", type=click.IntRange(1, 10**6), help="Number of runs; by default 5 to 1000, within 5 seconds.")
@click.option(
    "--warm-up", type=click.IntRange(0, 10**6), default=3, show_default=True, help="Number of untimed runs first."
)
@click.option("--all", "all_", is_flag=True, help="Also show layers that move nothing, such as flatten.")
@click.option("--json", "json_", is_flag=True, help="Print all times and the setup as JSON.")
@output_option
def bench(
    specs: tuple[str, ...],
    device: str,
    batch: int,
    dtype: str,
    input: tuple[int, ...] | None,
    assignments: tuple[tuple[str, Any], ...],
    compile: bool,
    threads: int | None,
    repeat: int | None,
    warm_up: int,
    all_: bool,
    json_: bool,
    output: str | None,
) -> None:
    """Time architectures in PyTorch: of one every layer, of several a line each.

    Times are medians over repetitions in eval mode. Beside them are the multiply-adds of a layer and the least bytes
    that it moves: its inputs, output and parameters, each once. A layer is bound by compute, by memory, or by neither,
    compared with a large matrix product, a large convolution and a pass through memory, timed just before. `*` marks
    the layers that together take at least half of the time. Needs `pip install "archcalc[torch]"`.
    """
    from archcalc.analysis import analyze_graph
    from archcalc.cli.progress import with_progress
    from archcalc.errors import SettingError
    from archcalc.spec.catalogue import find

    json_ = json_ or format_by_ending(output, JSON_OR_TABLE, "table", "--json") == "json"
    if device == "meta":
        raise SettingError("the meta device has no data: there is nothing to time", hint="--device auto")
    vars_ = dict(assignments)
    pairs = [analyze_graph(find(s), input=input, batch=batch, dtype=dtype, vars=vars_) for s in specs]
    from archcalc.torch_backend import timing as backend
    from archcalc.torch_backend.devices import chosen_device, environment

    on = chosen_device(device)
    repetitions = backend.Repetitions(warm_up, repeat)
    with backend.threads(threads) as used:
        roof = backend.roof_of(on, dtype)
        found = [
            backend.time_network(graph, report, roof, device=on, repetitions=repetitions, compile=compile)
            for graph, report in with_progress(pairs, ticking=False)
        ]
    taken_with = {**environment(on), "threads": used}
    if json_:
        settings = {
            "device": on,
            "batch": batch,
            "dtype": dtype,
            "vars": vars_,
            "compile": compile,
            "warm_up": warm_up,
            "repeat": repeat,
        }
        _write_json(found, settings, taken_with, roof, output)
        return
    from archcalc.render.output import print_grid
    from archcalc.render.timing import caption, layers_grid, networks_grid

    words = caption(found[0], taken_with)
    grid = networks_grid(found, roof, words) if len(found) > 1 else layers_grid(found[0], words, all_layers=all_)
    print_grid(grid, "table", output)


def _write_json(
    found: list["Timing"], settings: dict[str, Any], taken_with: dict[str, Any], roof: "Roof", output: str | None
) -> None:
    import msgspec

    from archcalc.evidence.timing import SCHEMA_VERSION
    from archcalc.render.formats.data import as_record_of_a_run
    from archcalc.render.output import write

    timings = [timing.to_dict() for timing in found]
    measured = msgspec.structs.asdict(roof)
    write(as_record_of_a_run(SCHEMA_VERSION, taken_with, settings, roof=measured, architectures=timings), output)
