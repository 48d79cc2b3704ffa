"""Matrix products with learned weights."""

from collections.abc import Sequence

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, product, require
from archcalc.layers.core.base import Flag, Layer, Ops, Positive, Visibility, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import FEATURES, TorchTwin


class Linear(Layer, kind="linear"):
    """Fully-connected layer: every output is a weighted sum of every input; of a sequence, for each token apart.

    A map is refused, for nearly always a flatten was forgotten, unless `channels_last` says that it is meant.

    Fields:
        features: how many outputs
        bias: whether each output adds a learned constant
        channels_last: whether the last axis of a map holds its channels; the weighted sums are then of each place apart
    Shape: (N,) → (features,); (T, N) → (T, features); with channels_last (H, W, N) → (H, W, features) and the like
    Params: features · N weights, features biases
    Ops: for each token or place, one multiply-add per weight, and one addition per output for the bias
    Raises: input is a map that has not been flattened, without channels_last
    Source: torch.nn.Linear

    >>> fc6 = Linear(features=4096)
    >>> x = (9216,)
    >>> fc6.output(x), fc6.params(x).total, fc6.ops(x, fc6.output(x)).macs
    ((4096,), 37752832, 37748736)
    >>> x = (197, 768)
    >>> fc6.output(x), fc6.ops(x, fc6.output(x)).macs
    ((197, 4096), 619708416)
    """

    features: Positive
    bias: Flag = True
    channels_last: Flag = False

    gradient = Gradient.NEW
    keeps_before_it_runs = True
    label = "fc"
    is_depth_layer = True
    torch = TorchTwin("torch.nn.Linear", in_features=FEATURES, out_features="features", bias="bias")

    def output(self, x: Shape) -> Shape:
        require(
            len(x) <= 2 or self.channels_last,
            lambda: LayerError(
                f"linear needs a flat input or a sequence (tokens × features), got {fmt_shape(x)}",
                hint="put `- flatten` before it (or global_avgpool and flatten); "
                "or give it `channels_last: true` where the last axis holds the features",
                assume=(self.features,),
            ),
        )
        return (*x[:-1], self.features)

    def parameters(self, x: Shape) -> dict[str, Shape]:
        weight = (self.features, x[-1])
        return {"weight": weight, "bias": (self.features,)} if self.bias else {"weight": weight}

    def ops(self, x: Shape, y: Shape) -> Ops:
        outputs = elements(y)
        return Ops(macs=outputs * x[-1], additions=outputs if self.bias else 0)

    def backward_macs(self, x: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool) -> Dim:
        return self.ops(x, y).macs * (needs_grad[0] + trains)

    def window(self, x: Shape) -> Visibility:
        return Visibility.WHOLE if len(x) == 1 else Visibility.LAST_AXIS

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        *rows, features = x.shape
        flat = run.reshaped(x, (product(rows), features))
        y = run.new((*rows, self.features), flat, trains=True)
        run.keep_factors(flat, run.parameter((self.features, features)))
        return y
