"""How far a command that takes a while has come."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from archcalc.engine.report import Report
    from archcalc.graph import Graph

Item = TypeVar("Item")


def with_progress(pairs: list[tuple["Graph", "Report"]], *, ticking: bool = True) -> Iterator[tuple["Graph", "Report"]]:
    """The pairs one by one, with a bar that names the architecture."""
    return bar(pairs, lambda pair: pair[1].architecture, ticking=ticking)


def bar(items: list[Item], name: Callable[[Item], str], *, ticking: bool = True) -> Iterator[Item]:
    """The items one by one, with a bar on standard error where that is a terminal and there are several.

    Without `ticking` the bar is redrawn only from one item to the next: a ticking clock disturbs timings.
    """
    if len(items) <= 1 or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=ticking) as progress:
        task = progress.add_task("", total=len(items))
        for item in items:
            progress.update(task, description=name(item), refresh=True)
            yield item
            progress.advance(task)
