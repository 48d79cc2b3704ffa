"""Matrix products with learned weights."""

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Shape, require
from archcalc.layers.base import Flag, Layer, Ops, Params, Positive, Sight, fmt_shape
from archcalc.layers.twin import FEATURES, TorchTwin


class Linear(Layer, kind="linear"):
    """Fully-connected layer: every output is a weighted sum of every input.

    Fields:
        features: how many outputs
        bias: whether each output adds a learned constant
    Shape: (N,) → (features,)
    Params: features · N weights, features biases
    Ops: one multiply-add per weight, one addition per output for the bias
    Raises: input is a map that has not been flattened
    Source: torch.nn.Linear

    >>> fc6 = Linear(features=4096)
    >>> x = (9216,)
    >>> fc6.output(x), fc6.params(x).total, fc6.ops(x, fc6.output(x)).macs
    ((4096,), 37752832, 37748736)
    """

    features: Positive
    bias: Flag = True

    label = "fc"
    counted = True
    torch = TorchTwin("torch.nn.Linear", in_features=FEATURES, out_features="features", bias="bias")

    def output(self, x: Shape) -> Shape:
        y = (self.features,)
        require(
            len(x) == 1,
            lambda: LayerError(
                f"linear needs a flat input, got {fmt_shape(x)}",
                hint="put `- flatten` before it (or global_avgpool and flatten)",
                assume=y,
            ),
        )
        return y

    def params(self, x: Shape) -> Params:
        return Params(weights=self.features * x[0], biases=self.features if self.bias else 0)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(macs=self.features * x[0], additions=self.features if self.bias else 0)

    def window(self, x: Shape) -> Sight:
        return Sight.WHOLE
