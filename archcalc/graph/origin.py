"""Where a node of a graph was written down, for the messages about it."""

from typing import Protocol

from archcalc.errors import Location


class Origin(Protocol):
    """What messages ask about where a node comes from. A graph that was built in Python has none.

    A network's own text may use what is written in other files, such as a block. There, `own_line` and `own_place` are
    those of the call in the own text; without such a call, and everywhere else, those of the layer itself.
    """

    @property
    def line(self) -> int:
        """The 1-based line that the layer itself is written in, in whatever file."""

    @property
    def own_line(self) -> int:
        """The 1-based line of the network's own text."""

    def own_place(self) -> Location:
        """The place in the network's own text."""

    def place(self, field: str | None) -> Location:
        """Where the value of one of the layer's fields is written; the layer itself for None or a default."""

    def calls_in_words(self, seen_from: str) -> str | None:
        """The calls that led to the layer, for a message about the file of this name; None where there are none."""
