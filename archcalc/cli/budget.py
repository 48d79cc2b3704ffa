"""`archcalc budget init`."""

import glob
import os
from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command, LazyGroup
from archcalc.cli.options import input_option
from archcalc.engine.conventions import CONVENTIONS
from archcalc.engine.figures import metric_named
from archcalc.errors import ArchcalcError, SettingError, printable
from archcalc.units import BYTES_PER_ELEMENT, MAX_BATCH

if TYPE_CHECKING:
    from archcalc.engine.report import Report

DEFAULTS = {"batch": 1, "dtype": "float32", "convention": "lecture"}


@click.group(cls=LazyGroup, context_settings=HELP_OPTIONS, commands_at={"init": "archcalc.cli.budget:init"})
def budget() -> None:
    """Budgets, which `archcalc check` holds specs to."""


@click.command("init", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("files", nargs=-1, metavar="[FILES]...")
@click.option("--headroom", default="10%", show_default=True, help="Percentage allowed above today's figures.")
@click.option("--metrics", metavar="LIST", help="Comma-separated metrics.  [default: params,flops,memory,peak]")
@click.option("--into", type=click.Path(), help="Write to this archcalc.toml or pyproject.toml, not into the specs.")
@click.option("--update", is_flag=True, help="Only rewrite the maxima of existing budgets.")
@input_option
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), help="Batch size.  [default: 1]")
@click.option(
    "--dtype",
    type=click.Choice(list(BYTES_PER_ELEMENT)),
    help="Dtype of activations and parameters.  [default: float32]",
)
@click.option("--convention", type=click.Choice(list(CONVENTIONS)), help="FLOP convention.  [default: lecture]")
def init(
    files: tuple[str, ...], headroom: str, metrics: str | None, into: str | None, update: bool, **settings: Any
) -> None:
    """Write starting budgets for FILES from today's figures: maxima with some headroom, rounded up.

    They go into each spec as `budget:`, or with --into in a configuration file. The rest of a file stays as it is, and
    an existing budget is not changed without --update. A family's file gets the figures of its largest variant; in
    a configuration each variant gets its own. Without FILES, all that the configuration matches. The limits are at the
    settings that are written with them; --update takes those that a budget has.
    """
    from archcalc.gate.initial import DEFAULT_METRICS, in_spec, maxima, updated_spec
    from archcalc.render.output import write
    from archcalc.units import parse_percent

    share = parse_percent(headroom)
    chosen = [metric_named(name.strip()).name for name in metrics.split(",")] if metrics else list(DEFAULT_METRICS)
    given = {name: value for name, value in settings.items() if value is not None}
    if update and given:
        raise SettingError(
            f"--update and --{next(iter(given))} cannot be combined", hint="the budget's own settings are used"
        )
    stated = {**DEFAULTS, **given}
    named = files or _configured()
    if "-" in named:
        raise SettingError("cannot write a budget to standard input", hint="name a file")
    if into is not None:
        _into_config(into, named, chosen, share, stated, update)
        return
    edited: list[tuple[str, str]] = []
    for path in named:
        document, byte_order_mark = _read(path)
        limits = maxima(list(_reports(path, stated, of_spec=update).values()), chosen, share)
        text = updated_spec(document, limits) if update else in_spec(document, limits, stated)
        edited.append((path, byte_order_mark + text))
    for path, text in edited:  # all or none
        write(text.encode(), path)
        click.echo(f"{path}: {'maxima updated' if update else 'budget written'} from today's figures", err=True)


def _into_config(path: str, files: Any, metrics: list[str], share: Any, stated: dict[str, Any], update: bool) -> None:
    from archcalc.analysis import analyze
    from archcalc.gate.config import FILES
    from archcalc.gate.initial import in_config, maxima
    from archcalc.render.output import write
    from archcalc.spec.catalogue import find_all

    if os.path.basename(path) not in FILES:
        raise SettingError(f"{path} is not a configuration file", hint=f"name it {' or '.join(FILES)}")
    there = _budgets_in(path) if update else {}
    folder = os.path.dirname(os.path.abspath(path))
    budgets = {}
    for file in files:
        pattern = glob.escape(os.path.relpath(os.path.abspath(file), folder).replace(os.sep, "/"))
        if not pattern.isprintable():
            hint = "write a budget for a pattern that matches it, such as *.yaml"
            raise SettingError(f"the name of {printable(file)} cannot be written in {path}", hint=hint)
        for variant, architecture in find_all(file).items():
            name = f"{pattern}:{variant}" if variant else pattern
            budgets[name] = maxima([analyze(architecture, **there.get(name, {} if update else stated))], metrics, share)
    text = _read(path)[0].text if os.path.exists(path) else ""
    write(in_config(path, text, budgets, stated, update=update).encode(), path)
    click.echo(f"{path}: {', '.join(budgets)} from today's figures", err=True)


def _budgets_in(path: str) -> dict[str, dict[str, Any]]:
    """The settings of each pattern's budget in a configuration file."""
    from pathlib import Path

    from archcalc.gate.config import read_config

    return {pattern.text: dict(pattern.budget.settings) for pattern in read_config(Path(path)).patterns}


def _read(path: str) -> Any:
    """A file's document, and the byte order mark that it begins with, if it does."""
    from archcalc.spec.files import read_file

    document = read_file(path)
    with open(path, "rb") as file:
        return document, "\ufeff" if file.read(3) == b"\xef\xbb\xbf" else ""


def _reports(path: str, settings: dict[str, Any], *, of_spec: bool) -> dict[str | None, "Report"]:
    """The report of every variant in a file; with `of_spec`, at the settings that its budget states."""
    from archcalc.analysis import analyze
    from archcalc.budget import budget_of
    from archcalc.spec.catalogue import find_all

    return {
        variant: analyze(architecture, **(budget_of(architecture).settings if of_spec else settings))
        for variant, architecture in find_all(path).items()
    }


def _configured() -> tuple[str, ...]:
    """The files that the configuration matches."""
    from pathlib import Path

    from archcalc.gate.config import find_config, read_config

    config = read_config(find_config(Path.cwd()))
    files = dict.fromkeys(str(file) for pattern in config.patterns for file in config.files(pattern))
    if not files:
        raise ArchcalcError("no files given, and the configuration matches none", hint="archcalc budget init FILES")
    return tuple(files)
