"""`archcalc kinds`."""

from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import DATA_FORMATS, chosen_format, format_options
from archcalc.errors import SettingError, did_you_mean


@click.command("kinds", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("kind", required=False)
@format_options
def kinds_(kind: str | None, format_: str | None, json_: bool, output: str | None) -> None:
    """List the layer kinds and the blocks that every spec may call; with KIND, describe one.

    For a kind: its fields, rules, source and PyTorch twin. For a block: its parameters and its layers.
    """
    from archcalc.layers import kinds
    from archcalc.render.formats.data import records
    from archcalc.render.grid import Cell, Column, Grid
    from archcalc.render.output import print_grid, write
    from archcalc.spec.description import describe_block, describe_kind
    from archcalc.spec.entry import STRUCTURES
    from archcalc.spec.standard import standard_blocks

    form = chosen_format(format_, json_, output)
    known = [*kinds(), *standard_blocks()]
    if kind is not None and kind not in known:
        hint = did_you_mean(kind, known, f"kinds: {', '.join(known)}")
        raise SettingError(f"unknown kind {kind!r}", hint=hint)
    named = [name for name in known if kind in (None, name)]
    described = [describe_kind(name) if name in kinds() else describe_block(name) for name in named]
    if form in DATA_FORMATS:
        write(records(described, form), output)
    elif kind is not None and form == "table":
        write(_block_page(described[0]) if "layers" in described[0] else _page(described[0]), output)
    else:
        columns = (
            Column("kind", ("kind",), "left"),
            Column("fields", ("fields",), "left", drop_order=10, least=24),
            Column("summary", ("what it is",), "left", least=24),
        )
        rows = tuple(
            (Cell(k["kind"]), Cell(", ".join(field["name"] for field in k["fields"])), Cell(k["summary"]))
            for k in described
        )
        structures = (f"{name}: {words}" for name, words in STRUCTURES.items())
        notes = ("archcalc kinds KIND describes one", "lists of layers are written in", *structures)
        print_grid(Grid(columns, rows, notes=notes), form, output)


def _block_page(block: dict[str, Any]) -> str:
    inputs = block["inputs"]
    reads = [f"Inputs: `from: [{', '.join(inputs)}]`"] if len(inputs) > 1 else []
    return "\n".join([f"{block['kind']}: {block['text']}", "", *reads, block["layers"]]) + "\n"


def _page(kind: dict[str, Any]) -> str:
    lines = [f"{kind['kind']}: {kind['text']}", ""]
    if kind["fields"]:
        lines.append("Fields")
        for field in kind["fields"]:
            default = field["default"]
            shown = str(default).lower() if isinstance(default, bool) else default
            needed = "required" if field["required"] else "optional" if default is None else f"default {shown}"
            lines += [f"  {field['name']}: {field['meaning']}", f"      {field['type']}; {needed}"]
    else:
        lines.append("Fields: none")
    lines.append("Common fields: name, from, repeat, when")
    for heading, body in kind["rules"].items():
        first, *more = body.splitlines()
        lines += [f"{heading}: {first}", *(f"  {line.strip()}" for line in more)]
    return "\n".join([*lines, f"PyTorch: {kind['torch']}"]) + "\n"
