"""How far a command that takes a while has come."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archcalc.report import Report
    from archcalc.spec.graph import Graph


def with_progress(pairs: list[tuple["Graph", "Report"]], *, ticking: bool = True) -> Iterator[tuple["Graph", "Report"]]:
    """The pairs one by one, with a bar on standard error where that is a terminal and there are several.

    Without `ticking` the bar is drawn anew only from one pair to the next: a clock that ticks disturbs what is timed.
    """
    if len(pairs) == 1 or not sys.stderr.isatty():
        yield from pairs
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=ticking) as progress:
        task = progress.add_task("", total=len(pairs))
        for graph, report in pairs:
            progress.update(task, description=report.architecture, refresh=True)
            yield graph, report
            progress.advance(task)
