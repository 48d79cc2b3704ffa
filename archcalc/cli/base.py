"""The command group: commands are loaded when they are called, and rich's help only when a terminal asks for help."""

import importlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from archcalc.docstrings import docstring
from archcalc.errors import SettingError, did_you_mean

OUTPUT_OPTIONS = ("output", "output_file")
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


def _asks_for_help(arguments: list[str]) -> bool:
    return not arguments or any(argument in HELP_OPTIONS["help_option_names"] for argument in arguments)


if not TYPE_CHECKING and sys.stdout is not None and sys.stdout.isatty() and _asks_for_help(sys.argv[1:]):
    from rich_click import RichCommand as _Command
    from rich_click import RichGroup as _Group
else:
    from click import Command as _Command
    from click import Group as _Group


class Command(_Command):
    """A command whose help is its function's docstring, also where Python drops those."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["help"] = kwargs.get("help") or docstring(kwargs["callback"])
        super().__init__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, unless its output would replace a file that it reads."""
        for option in OUTPUT_OPTIONS:
            if (output := ctx.params.get(option)) is not None:
                refuse_to_replace(output, [value for name, value in ctx.params.items() if name != option])
        return super().invoke(ctx)


def refuse_to_replace(output: str, read: Iterable[Any]) -> None:
    """Raise SettingError where an output would replace one of the files that are read; other values are passed over."""
    for value in read:
        if isinstance(value, tuple):
            refuse_to_replace(output, value)
        elif isinstance(value, str) and _is_same_file(value, output):
            raise SettingError(f"{output} would be replaced, and is read here", hint="write to another file")


def _is_same_file(name: str, output: str) -> bool:
    # A variant of a file is named behind a colon.
    return any(
        os.path.isfile(file) and os.path.isfile(output) and os.path.samefile(file, output)
        for file in (name, name.rpartition(":")[0])
        if "\0" not in file
    )


class LazyGroup(_Group):
    """A group whose commands are modules of this package, named `module:command`, imported on first use."""

    def __init__(self, *args: Any, commands_at: dict[str, str], **kwargs: Any) -> None:
        kwargs["help"] = kwargs.get("help") or docstring(kwargs["callback"])
        super().__init__(*args, **kwargs)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_at:
            return None
        module, _, name = self.commands_at[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands_at and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.commands_at, f"commands: {', '.join(self.commands_at)}")
            raise click.UsageError(f"no such command: {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


__all__ = ["HELP_OPTIONS", "Command", "LazyGroup", "refuse_to_replace"]
