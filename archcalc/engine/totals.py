"""What all rows of a report make together, figure by figure."""

from typing import TYPE_CHECKING, Any

import msgspec

from archcalc.engine.figures import IN_TOTALS

if TYPE_CHECKING:
    from archcalc.engine.report import Findings
    from archcalc.engine.settings import Settings


class Totals:
    """The figures of all rows of a report, each by the name of its field, taken when it is first asked for.

    Those that layers have of their own are sums over costs, for which no rows need be found.

    `macs` and `flops` leave out the rows whose operations are unknown, in which case `complete` is False; any other
    figure is None where it is unknown of some row.

    >>> from archcalc import analyze
    >>> totals = analyze("lenet5").totals
    >>> totals.params, totals.peak_memory_bytes, totals.complete
    (61706, 41728, True)
    """

    # What type checkers are told of the figures in the registry; a test compares the two.
    params: int
    macs: int
    flops: int
    memory_bytes: int
    peak_memory_bytes: int | None
    saved_for_backward_bytes: int | None
    bytes_moved: int | None
    buffers: int
    weights: int
    depth: int

    def __init__(self, found: "Findings", settings: "Settings") -> None:
        self._found, self._settings = found, settings

    if not TYPE_CHECKING:  # which would take any name at all for a figure

        def __getattr__(self, field: str) -> Any:
            try:
                figure = IN_TOTALS[field]
            except KeyError:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {field!r}") from None
            costs = self._found.costs
            rows = costs if costs and hasattr(costs[0], field) else self._found.layers
            value = figure.known(rows) if figure.leaves_out_unknown else figure.of_rows(rows, self._settings)
            self.__dict__[field] = value
            return value

    @property
    def complete(self) -> bool:
        """Whether the operations of all rows are known."""
        return all(cost.flops is not None for cost in self._found.costs)

    def to_dict(self) -> dict[str, Any]:
        """The totals as `archcalc table --json` prints them."""
        return {**{field: getattr(self, field) for field in IN_TOTALS}, "complete": self.complete}

    def __repr__(self) -> str:
        return f"Totals({', '.join(f'{name}={value}' for name, value in self.to_dict().items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Totals) and bool(told(self.to_dict()) == told(other.to_dict()))

    __hash__ = None  # type: ignore[assignment]  # as of anything that is equal by what it holds, and may be computed late


def told(value: Any) -> Any:
    """A value in which arrays are lists and symbols texts: comparing arrays gives one answer for each variant."""
    return msgspec.to_builtins(value, enc_hook=lambda number: getattr(number, "tolist", number.__str__)())
