"""What optimizers keep of each learned tensor, and what an update of it takes, as torch.optim has them by default.

The states are those that PyTorch's own optimizers hold after a step, tests compare them to the byte: full copies in
the dtype of what they update, and counts of steps, each a single float32. The operations are those of the formulas in
the papers, for each number, with constants such as the share of the learning rate taken as given.
"""

from collections.abc import Callable, Iterable

import msgspec

from archcalc.errors import SettingError, did_you_mean
from archcalc.layers.core.arithmetic import Sizes, product
from archcalc.layers.core.base import Ops
from archcalc.layers.core.execution import FULL_PRECISION_BYTES


class Optimizer(msgspec.Struct, frozen=True):
    """An optimizer: how many numbers it keeps of a tensor of some shape, how many single float32 ones, and an update.

    `torch` is its class in torch.optim with `arguments`. `update` is what a step takes for each number, None where it
    is not the same for each.
    """

    name: str
    torch: str
    source: str
    state: Callable[[Sizes], int]
    scalars: int = 0
    update: Ops | None = None
    arguments: dict[str, float] = {}

    def state_bytes(self, tensors: Iterable[Sizes], width: int) -> int:
        """The bytes of the state for tensors of these shapes, at `width` bytes a number.

        >>> optimizer_named("adam").state_bytes([(64, 3, 3, 3), (64,)], width=4)
        14344
        """
        return sum([width * self.state(shape) + FULL_PRECISION_BYTES * self.scalars for shape in tensors])

    def update_ops(self, numbers: int) -> Ops | None:
        """What a step takes for so many learned numbers; None where that is not known."""
        return None if self.update is None else self.update.times(numbers)


def _copies(count: int) -> Callable[[Sizes], int]:
    return lambda shape: count * product(shape)


def _rows_and_columns(shape: Sizes) -> int:
    """Of a matrix, a mean for each row and one for each column; of more axes, of the last two; else of each number."""
    if len(shape) < 2:
        return product(shape)
    return product(shape[:-1]) + product((*shape[:-2], shape[-1]))


OPTIMIZERS = {
    one.name: one
    for one in (
        Optimizer("sgd", "SGD", "Robbins and Monro (1951)", _copies(0), update=Ops(multiplications=1, additions=1)),
        Optimizer(
            "momentum",
            "SGD",
            "Sutskever et al., ICML 2013, as torch.optim.SGD has it",
            _copies(1),
            update=Ops(multiplications=2, additions=2),
            arguments={"momentum": 0.9},
        ),
        Optimizer(
            "adam",
            "Adam",
            "Kingma and Ba, arXiv:1412.6980, algorithm 1, in the order of section 2's last paragraph",
            _copies(2),
            1,
            Ops(multiplications=6, additions=4, divisions=2, special=1),
        ),
        Optimizer(
            "adamw",
            "AdamW",
            "Loshchilov and Hutter, arXiv:1711.05101, algorithm 2",
            _copies(2),
            1,
            Ops(multiplications=7, additions=4, divisions=2, special=1),
        ),
        Optimizer("nadam", "NAdam", "Dozat, ICLR workshop 2016", _copies(2), 2),
        Optimizer("radam", "RAdam", "Liu et al., arXiv:1908.03265", _copies(2), 1),
        Optimizer("adamax", "Adamax", "Kingma and Ba, arXiv:1412.6980, algorithm 2", _copies(2), 1),
        Optimizer("adadelta", "Adadelta", "Zeiler, arXiv:1212.5701", _copies(2), 1),
        Optimizer(
            "adagrad",
            "Adagrad",
            "Duchi et al., JMLR 12 (2011)",
            _copies(1),
            1,
            Ops(multiplications=2, additions=3, divisions=1, special=1),
        ),
        Optimizer(
            "rmsprop",
            "RMSprop",
            "Hinton, Neural Networks for Machine Learning, lecture 6e (2012)",
            _copies(1),
            1,
            Ops(multiplications=4, additions=3, divisions=1, special=1),
        ),
        Optimizer("adafactor", "Adafactor", "Shazeer and Stern, arXiv:1804.04235", _rows_and_columns, 1),
    )
}


def optimizer_named(name: str) -> Optimizer:
    """The optimizer of this name; raises SettingError where there is none."""
    if name not in OPTIMIZERS:
        hint = did_you_mean(name, OPTIMIZERS, f"optimizers: {', '.join(OPTIMIZERS)}")
        raise SettingError(f"unknown optimizer {name!r}", hint=hint)
    return OPTIMIZERS[name]
