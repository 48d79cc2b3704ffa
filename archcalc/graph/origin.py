"""Where a node of a graph was written down, for the messages about it."""

from typing import Protocol

from archcalc.errors import Location, Problem


class Origin(Protocol):
    """What messages ask about where a node comes from. A graph that was built in Python has none.

    A network's own text may use what is written in other files, such as a block. There, `own_line` and `own_place` are
    those of the call in the own text; without such a call, and everywhere else, those of the layer itself.
    """

    @property
    def line(self) -> int:
        """The 1-based line that messages name: of a layer in a shipped file, that of the call in the own text."""

    @property
    def own_line(self) -> int:
        """The 1-based line of the network's own text."""

    @property
    def is_shipped(self) -> bool:
        """Whether the layer is written in a shipped file, so that all problems of one call are at the call."""

    def own_place(self) -> Location:
        """The place in the network's own text."""

    def problem(self, message: str, hint: str | None = None, field: str | None = None) -> Problem:
        """A problem with the value of one of the layer's fields; with the layer itself for None or a default."""
