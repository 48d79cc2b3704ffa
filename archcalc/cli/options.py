"""Options that several commands share."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from archcalc.errors import ArchcalcError, SettingError
from archcalc.units import MAX_BATCH

Command = TypeVar("Command", bound=Callable[..., Any])

TEXT_FORMATS = ("table", "markdown", "latex", "html")
DATA_FORMATS = ("json", "jsonl", "csv", "tsv")
FORMATS = ("table", *DATA_FORMATS, *TEXT_FORMATS[1:])
ENDINGS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".txt": "table",
}
JSON_OR_TABLE = {ending: ENDINGS[ending] for ending in (".json", ".txt")}
"""The endings of what a command writes as a table or as JSON."""


class InputType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """A shape such as 3x227x227 or 3,227,227, behind the name of an input where there are several: ids=77."""

    name = "shape"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        name, _, shape = str(value).strip().rpartition("=")
        parts = re.split(r"[x×,]", shape.strip().strip("[]"))
        if not all(re.fullmatch(r"\s*[0-9]{1,18}\s*", part) and int(part) >= 1 for part in parts):
            self.fail(f"{value!r} is not a shape: write 3x224x224 or 3,224,224, whole numbers ≥ 1", param, ctx)
        return name.strip(), tuple(map(int, parts))


def _inputs(ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, tuple[int, ...]], ...]) -> Any:
    """The shape of the only input, or the shapes of inputs by their names; None where none is given."""
    named = dict(given)
    if len(named) < len(given):
        raise click.BadParameter("an input is given twice", ctx, param)
    if set(named) == {""}:
        return named[""]
    if "" in named:
        raise click.BadParameter("several inputs need names, such as ids=77", ctx, param)
    return named or None


class AssignmentType(click.ParamType):  # type: ignore[type-arg]  # the same
    """A variable and its value, such as width=64 or depths=[2,2]; the value may be an expression of numbers."""

    name = "var=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        from archcalc.spec.fields import Evaluator
        from archcalc.spec.source import Document, parse

        name, equals, text = str(value).partition("=")
        if not equals or not name.strip() or not text.strip():
            self.fail(f"{value!r} is not var=value, such as classes=10", param, ctx)
        document = Document(f"--set {name.strip()}", text)
        try:
            return name.strip(), Evaluator().value(parse(document)[0], {})
        except ArchcalcError as error:
            self.fail(f"{value!r}: {error.problems[0].message}", param, ctx)


class OutputFile(click.Path):
    """The name of a file to write; `-` is standard output, as where the option is left out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("the file name is empty; - is standard output", param, ctx)
        return None if value == "-" else super().convert(value, param, ctx)


output_option = click.option(
    "--output", "-o", type=OutputFile(), help="Write to this file instead of standard output; - is standard output."
)
input_option = click.option(
    "--input",
    type=InputType(),
    multiple=True,
    callback=_inputs,
    help="Input shape without the batch, such as 3x227x227; name=shape for several inputs, repeatable.",
)
batch_option = click.option(
    "--batch", type=click.IntRange(1, MAX_BATCH), default=1, show_default=True, help="Batch size."
)
set_option = click.option(
    "--set",
    "assignments",
    type=AssignmentType(),
    multiple=True,
    help="Override one of the spec's vars, such as classes=10; repeatable.",
)


def settings_options(command: Command) -> Command:
    """What a report is made at: input, batch, dtype, vars and convention."""
    from archcalc.engine.conventions import CONVENTIONS
    from archcalc.units import BYTES_PER_ELEMENT

    for option in reversed(
        (
            input_option,
            batch_option,
            click.option(
                "--dtype",
                type=click.Choice(list(BYTES_PER_ELEMENT)),
                default="float32",
                show_default=True,
                help="Dtype of the activations, for memory in bytes.",
            ),
            set_option,
            click.option(
                "--convention",
                type=click.Choice(list(CONVENTIONS)),
                default="lecture",
                show_default=True,
                help=f"FLOP convention. {' '.join(f'{name}: {one.statement}.' for name, one in CONVENTIONS.items())}",
            ),
        )
    ):
        command = option(command)
    return command


def format_options(command: Command) -> Command:
    """Where the output goes and in which format."""
    for option in reversed(
        (
            click.option(
                "--format",
                "format_",
                type=click.Choice(FORMATS),
                help="Output format; by default a table, or by the ending of --output.",
            ),
            click.option("--json", "json_", is_flag=True, help="Short for --format json."),
            output_option,
        )
    ):
        command = option(command)
    return command


def chosen_format(
    format_: str | None,
    json_: bool,
    output: str | None,
    endings: Mapping[str, str] = ENDINGS,
    default: str = "table",
) -> str:
    """The format that the options ask for, or the ending of the file; raises SettingError where they cannot be met."""
    if json_ and format_ not in (None, "json"):
        raise SettingError(f"--json and --format {format_} cannot be combined", hint="give one of them")
    return "json" if json_ else format_ or format_by_ending(output, endings, default, "--format")


def format_by_ending(output: str | None, endings: Mapping[str, str], default: str, otherwise: str = "") -> str:
    """The format that the ending of a file stands for; the default one where there is no file, or no ending.

    Raises SettingError for an ending that stands for none. Only letters are one: `net.v2` has none.

    >>> format_by_ending("net.JSON", ENDINGS, "table"), format_by_ending("/dev/stderr", ENDINGS, "table")
    ('json', 'table')
    """
    ending = os.path.splitext(output or "")[1].lower()
    if not ending[1:].isalpha():
        return default
    if ending not in endings:
        hint = f"use {' '.join(endings)}{f', or {otherwise}' if otherwise else ''}"
        raise SettingError(f"{output}: unknown ending {ending}", hint=hint)
    return endings[ending]
