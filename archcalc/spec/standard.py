"""The blocks that every spec may call: compound things, written in the spec language itself."""

import functools

from archcalc.spec.architecture import Block, read_blocks
from archcalc.spec.catalogue import STANDARD_BLOCKS, read_shipped


@functools.cache
def standard_blocks() -> dict[str, Block]:
    """The shipped blocks by name. A spec's own block of the same name overrides it.

    >>> standard_blocks()["squeeze_excitation"].title
    'Squeeze-and-excitation: channels weighed by a gate that sees the whole map'
    """
    return read_blocks(read_shipped(STANDARD_BLOCKS))
