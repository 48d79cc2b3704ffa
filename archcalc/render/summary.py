"""What the lecture reads off its table: where the memory, the parameters and the FLOPs are."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from archcalc.engine.figures import FIGURES, LECTURE
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import printable
from archcalc.layers.core.base import fmt_shape
from archcalc.units import INTEGERS, MEMORY_UNITS, human, percent

WORTH_NAMING = 0.05
Thing = TypeVar("Thing")


def heaviest(rows: Sequence[LayerReport], cost: str) -> tuple[LayerReport, ...]:
    """The heaviest rows that together hold at least half of a cost, heaviest first; a tie is not split.

    >>> from archcalc import analyze, load
    >>> [row.name for row in heaviest(analyze(load("alexnet")).layers, "flops")]
    ['conv2', 'conv4']
    """
    return holding_half(rows, FIGURES[cost].of_row)


def holding_half(things: Iterable[Thing], worth: Callable[[Thing], Any]) -> tuple[Thing, ...]:
    """The fewest things that together are worth at least half of all, most first; a tie is not split.

    >>> holding_half([1, 5, 3, 2], float)
    (5, 3)
    """
    things = list(things)
    least = least_of_half(map(worth, things))
    if least is None:
        return ()
    return tuple(sorted([thing for thing in things if (worth(thing) or 0) >= least], key=worth, reverse=True))


def least_of_half(values: Iterable[Any]) -> Any:
    """The least of the largest values that together are at least half of all; None where all are 0 or unknown.

    >>> least_of_half([1, 5, None, 3, 2])
    3
    """
    counts = Counter(filter(None, values))
    whole, held = sum(value * times for value, times in counts.items()), 0
    for value in sorted(counts, reverse=True):
        held += value * counts[value]
        if 2 * held >= whole:
            return value
    return None


def notes(report: Report, shown: Sequence[LayerReport], hidden: Sequence[LayerReport]) -> Iterable[str]:
    """The lines below the table: the heaviest rows, the kinds that hold most, the hidden rows, the unknown figures."""
    whole = {cost: FIGURES[cost].known(shown) for cost in LECTURE}
    most = [_heaviest_words(shown, cost, whole[cost]) for cost in LECTURE if whole[cost]]
    if most and len(shown) > 1:
        yield f"* {'; '.join(most)}"
    of_kind: dict[str, list[LayerReport]] = {}
    for row in shown:
        of_kind.setdefault(row.kind, []).append(row)
    kinds = [words for kind, rows in of_kind.items() if (words := _kind_words(kind, rows, whole))]
    if len(kinds) > 1:
        yield f"by kind: {'; '.join(kinds)}"
    if hidden:
        counts = Counter(row.kind for row in hidden)
        kinds = [f"{kind} ×{n}" for kind, n in counts.items()]
        yield f"hidden: {', '.join(kinds)} (no cost, no change of shape; not in the shares; --all shows them)"
    yield _memory_words(report)
    tied = [f"{row.name} to {row.tied}" for row in report.layers if row.tied is not None]
    if tied:
        yield f"tied: {_first(tied)} (the same weights, counted once)"
    train_only = [row.name for row in report.layers if row.train_only]
    if train_only:
        yield f"training only: {_first(train_only)} (they hold parameters, but do not run in eval mode)"
    if [output.name for output in report.outputs] != [report.last]:
        yield f"outputs: {_first([f'{output.name} {fmt_shape(output.shape)}' for output in report.outputs])}"
    for row in report.layers:
        if row.misfit is not None:
            why = printable(f"{row.name}: {row.misfit}")
            yield f"warning: training fails at this input: {why}; eval mode skips it"
    unknown = [row.name for row in report.layers if row.flops is None]
    if unknown:
        yield f"totals are incomplete: the operations of {_first(unknown)} are unknown"


def _memory_words(report: Report) -> str:
    """The most that is alive at once and where, and what training keeps."""
    peak, saved = report.totals.peak_memory_bytes, report.totals.saved_for_backward_bytes
    if peak is None:
        words = f"alive at once: unknown for {_first([row.name for row in report.layers if row.live_bytes is None])}"
    else:
        where = printable(next((row.name for row in report.layers if row.live_bytes == peak), "the input"))
        words = f"alive at once: at most {human(peak, MEMORY_UNITS)}, at {where}"
    if saved is not None:
        return f"{words}; training keeps {human(saved, MEMORY_UNITS)} for the backward pass"
    if report.settings.dtype in INTEGERS:
        return words
    unknown = [row.name for row in report.layers if row.saved_for_backward_bytes is None]
    return f"{words}; what training keeps of {_first(unknown)} is unknown"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return printable(", ".join(names[:5])) + more


def _heaviest_words(rows: Sequence[LayerReport], cost: str, whole: int) -> str:
    heavy = heaviest(rows, cost)
    named = ", ".join(printable(row.name) for row in heavy[:3])
    if len(heavy) > 3:
        named = f"{named} and {len(heavy) - 3} more"
    verb = "holds" if len(heavy) == 1 else "hold"
    return f"{named} {verb} {percent(FIGURES[cost].known(heavy), whole)} of {FIGURES[cost].words}"


def _kind_words(kind: str, rows: Sequence[LayerReport], whole: Mapping[str, int]) -> str:
    """What the rows of one kind hold of all, where that is worth naming."""
    shares = []
    for cost in LECTURE:
        held = FIGURES[cost].known(rows)
        if held > WORTH_NAMING * whole[cost]:
            shares.append(f"{percent(held, whole[cost])} of {FIGURES[cost].words}")
    return f"{kind} {', '.join(shares)}" if shares else ""
