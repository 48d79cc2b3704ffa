"""Names of layers: the spec's own, and automatic ones numbered as the lecture numbers them."""

from archcalc.layers import Layer


class Namer:
    """Hands out names. Convolutions and linear layers count up together; other layers take the number they follow.

    So AlexNet comes out as conv1, pool1, conv2, …, pool5, flatten, fc6, fc7, fc8; what only rearranges takes no number.
    `reserved` are the names that the spec gives itself; a name that is taken gets `_2`, `_3` … behind it.

    >>> from archcalc.layers import kinds
    >>> namer = Namer(reserved=())
    >>> [namer.name(kinds()[kind]) for kind in ("conv", "relu", "maxpool", "flatten", "linear")]
    ['conv1', 'relu1', 'pool1', 'flatten', 'fc2']
    """

    def __init__(self, reserved: tuple[str, ...]) -> None:
        self._taken = set(reserved)
        self._repeats: dict[str, int] = {}
        self._number = 0

    def count(self, layer: type[Layer]) -> None:
        """Count a layer that has a name of its own."""
        self._number += layer.is_depth_layer

    def name(self, layer: type[Layer]) -> str:
        """The next automatic name for a layer of this kind."""
        self.count(layer)
        label = layer.label or layer.kind
        return self.plain(f"{label}{self._number}" if self._number and layer.has_number else label)

    def plain(self, base: str) -> str:
        """A name without a number of layers; `_2`, `_3` … behind it where it is taken."""
        if base not in self._taken:
            self._taken.add(base)
            return base
        n = self._repeats.get(base, 1) + 1
        while (name := f"{base}_{n}") in self._taken:
            n += 1
        self._repeats[base] = n
        self._taken.add(name)
        return name
