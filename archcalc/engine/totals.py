"""What all rows of a report make together, figure by figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archcalc.engine.figures import IN_TOTALS

if TYPE_CHECKING:
    from archcalc.engine.report import LayerReport, Settings


class Totals:
    """The figures of all rows of a report, each by the name of its field, taken when it is first asked for.

    `macs` and `flops` leave out the rows whose operations are unknown, in which case `complete` is False; any other
    figure is None where it is unknown of some row.

    >>> from archcalc import analyze
    >>> totals = analyze("lenet5").totals
    >>> totals.params, totals.peak_memory_bytes, totals.complete
    (61706, 41728, True)
    """

    def __init__(self, rows: Sequence["LayerReport"], settings: "Settings") -> None:
        self._rows, self._settings = rows, settings

    def __getattr__(self, field: str) -> Any:
        try:
            figure = IN_TOTALS[field]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {field!r}") from None
        leaves_out = figure.leaves_out_unknown
        value = figure.known(self._rows) if leaves_out else figure.of_rows(self._rows, self._settings)
        self.__dict__[field] = value
        return value

    @property
    def complete(self) -> bool:
        """Whether the operations of all rows are known."""
        return all(row.flops is not None for row in self._rows)

    def to_dict(self) -> dict[str, Any]:
        """The totals as `archcalc table --json` prints them."""
        return {**{field: getattr(self, field) for field in IN_TOTALS}, "complete": self.complete}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Totals) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # as of anything that is equal by what it holds, and may be computed late
