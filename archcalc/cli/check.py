"""`archcalc check`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archcalc.cli.base import HELP_OPTIONS, Command, refuse_to_replace
from archcalc.cli.options import OutputFile, input_option
from archcalc.engine.conventions import CONVENTIONS
from archcalc.engine.figures import METRICS, metric_named
from archcalc.errors import ArchcalcError, SettingError, printable
from archcalc.units import BYTES_PER_ELEMENT, MAX_BATCH

if TYPE_CHECKING:
    from archcalc.budget import Budget, LimitKind
    from archcalc.gate.baselines import Baselines
    from archcalc.gate.config import Config
    from archcalc.gate.judge import Checked

Function = TypeVar("Function", bound=Callable[..., Any])
FORMATS = ("text", "json", "github", "gitlab", "sarif", "junit", "markdown")
OVER_BUDGET = 1


class LimitType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """A limit such as params=60M: a metric and a quantity."""

    def __init__(self, kind: "LimitKind") -> None:
        self.kind = kind
        self.name = "metric=percentage" if kind == "max-increase" else "metric=quantity"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from archcalc.budget import make_limit

        metric, equals, text = str(value).partition("=")
        if not equals:
            example = "params=2%" if self.kind == "max-increase" else "params=60M"
            self.fail(f"{value!r} is not {self.name}, such as {example}", param, ctx)
        try:
            known = metric_named(metric.strip()).name
            return make_limit(known, self.kind, text.strip(), source=f"--{self.kind} {value}")
        except ArchcalcError as error:
            problem = error.problems[0]
            self.fail(f"{problem.message}; {problem.hint}", param, ctx)


def _limit_option(kind: "LimitKind", help: str) -> Callable[[Function], Function]:
    return click.option(f"--{kind}", kind.replace("-", "_"), type=LimitType(kind), multiple=True, help=help)


HELP = f"""Check that specs are valid, fully counted, and within their budgets.

SPECS are files, folders (all specs in them, except in hidden folders), shipped names, or - for standard input.
    A family means all its variants; file.yaml:variant is one of them. Without SPECS, all files that the configuration
    matches are checked.

Budgets are in the spec (budget: {{params: 60M, flops: {{max: 1.5G, warn: 1.2G}}}}), in archcalc.toml under
[budgets."models/*.yaml"], in pyproject.toml under [tool.archcalc.budgets."models/*.yaml"], or in the options here.
Of two limits of the same kind, the spec's overrides the configuration's, and the option's overrides both. With
    --base, limits that were removed since the base give a warning. If a spec was added while others were removed,
    [baselines] in the configuration says which one it was ("models/new.yaml" = "models/old.yaml"), or that it is "new".

Metrics: {" ".join(METRICS)}; {" ".join(n for n, metric in METRICS.items() if metric.unit == "bytes")} are in bytes.

Counts: 60M, 1.5G, 1_000_000 (k M G T are powers of 1000). Bytes: 512MB is 512 * 10^6 bytes, 512 MiB is
512 * 2^20 (KB MB GB TB are powers of 1000, KiB MiB GiB TiB powers of 1024). `archcalc table` prints memory as the
lecture does: its KB are 1024 bytes, the KiB of a budget. Percentages: 2%.

Exits with 0 if all is fine, warnings included; 1 if over budget; 2 if anything else is wrong.
"""


@click.command(cls=Command, context_settings=HELP_OPTIONS, help=HELP)
@click.argument("specs", nargs=-1, metavar="[SPECS|-]...")
@_limit_option("max", "Maximum of a metric, such as params=60M; repeatable, like the next three.")
@_limit_option("min", "Minimum of a metric.")
@_limit_option("warn", "Warn above this value.")
@_limit_option("max-increase", "Maximum increase since the base, such as params=2%.")
@input_option
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), help="Batch size.  [default: the budget's, else 1]")
@click.option(
    "--dtype",
    type=click.Choice(list(BYTES_PER_ELEMENT)),
    help="Dtype of activations and parameters.  [default: the budget's, else float32]",
)
@click.option(
    "--convention",
    type=click.Choice(list(CONVENTIONS)),
    help="FLOP convention.  [default: the budget's, else lecture]",
)
@click.option("--allow-unknown", is_flag=True, help="Accept figures that cannot be counted.")
@click.option("--require-budget", is_flag=True, help="Fail if a spec has no limit.")
@click.option(
    "--base",
    metavar="REVISION",
    help="Measure increases since HEAD branched off this revision.  [default: the default branch]",
)
@click.option("--compare-to", type=click.Path(), help="Measure increases from saved reports (table --json) instead.")
@click.option(
    "--config", type=click.Path(), help="Configuration file.  [default: the nearest, from this folder upwards]"
)
@click.option(
    "--output-format", type=click.Choice(FORMATS), default="text", show_default=True, help="Format of the report."
)
@click.option("--output-file", type=OutputFile(), help="Write the report to this file instead of standard output.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 also when over budget; errors still exit with 2.")
@click.pass_context
def check(
    ctx: click.Context,
    /,
    specs: tuple[str, ...],
    allow_unknown: bool,
    require_budget: bool,
    base: str | None,
    compare_to: str | None,
    config: str | None,
    output_format: str,
    output_file: str | None,
    exit_zero: bool,
    **given: Any,
) -> None:
    """Check that specs are valid, fully counted, and within their budgets."""
    from archcalc.cli.progress import bar
    from archcalc.gate.config import find_config, read_config
    from archcalc.gate.run import Gate, exit_code
    from archcalc.gate.subjects import configured, named

    if specs.count("-") > 1:
        raise SettingError("standard input is given twice", hint="give - once")
    path = Path(config) if config else find_config(Path.cwd())
    settings = read_config(path)
    gate = Gate(
        settings,
        _given(allow_unknown, given),
        _baselines(base, compare_to, settings),
        require_budget=require_budget,
        compare_budgets=base is not None,
    )
    subjects, checked = named(specs, settings) if specs else configured(settings)
    if output_file is not None:
        refuse_to_replace(output_file, [subject.path for subject in subjects])
    for subject in bar(subjects, lambda subject: printable(subject.name)):
        checked += gate.check(subject)
    _write(checked, output_format, output_file)
    code = exit_code(checked)
    ctx.exit(0 if exit_zero and code == OVER_BUDGET else code)


def _given(allow_unknown: bool, given: dict[str, Any]) -> "Budget":
    """The budget of the command line."""
    from archcalc.budget import SETTING_KEYS, Budget

    limits = {(limit.metric, limit.kind): limit for kind in _KINDS for limit in given[kind]}
    settings = {name: given[name] for name in SETTING_KEYS if given[name] is not None}
    return Budget(limits, settings, allow_unknown or None)


_KINDS = ("max", "min", "warn", "max_increase")


def _baselines(base: str | None, compare_to: str | None, config: "Config") -> "Baselines":
    from archcalc.gate.baselines import GitBaselines, SavedBaselines

    if base is not None and compare_to is not None:
        raise SettingError("--base and --compare-to cannot be combined", hint="give one of them")
    return GitBaselines(base, config) if compare_to is None else SavedBaselines(compare_to)


def _write(checked: list["Checked"], form: str, path: str | None) -> None:
    from archcalc.render import check as render
    from archcalc.render.output import write

    if form == "text":
        _write_text(checked, path)
    elif form == "junit":
        from archcalc.render.formats.junit import junit

        write(junit(checked), path)
    elif form == "markdown":
        write(render.markdown(checked), path)
    else:
        from archcalc.render.formats import findings

        write(getattr(findings, form)(checked), path)
    if path is not None:
        print(render.summary(checked), file=sys.stderr)


def _write_text(checked: list["Checked"], path: str | None) -> None:
    from archcalc.render import check as render
    from archcalc.render.formats.text import plain
    from archcalc.render.output import print_grid, terminal_width, write

    parts: list[str] = []
    on_terminal = path is None and terminal_width() is not None
    for one in render.shown(checked):
        findings = "".join(f"{render.finding_text(finding)}\n" for finding in one.findings)
        if one.report is None:
            parts.append(findings)
            continue
        grid = render.limits_grid(one)
        if on_terminal:  # in its width, and in colour
            write("".join(parts))
            parts.clear()
            print_grid(grid, "table")
        else:
            parts.append(plain(grid))
        parts.append(f"\n{findings}")
    write("".join([*parts, render.summary(checked), "\n"]), path)
