"""Recurrent layers: a state that goes along a sequence, from step to step.

Dropout between layers is a `dropout` between two of them.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, require
from archcalc.layers.core.base import (
    STRUCTURAL,
    Flag,
    Layer,
    Operation,
    Ops,
    ParameterRole,
    Positive,
    Visibility,
    fmt_shape,
)
from archcalc.layers.core.execution import FULL_PRECISION_BYTES, Execution, Tensor
from archcalc.layers.core.twin import FEATURES, Constant, TorchTwin

Count = Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000", extra=STRUCTURAL)]


class Recurrent(Layer):
    """What recurrent layers share: each gate sees the input and the state through weights and biases of its own.

    Fields:
        hidden: width of the state
        layers: how many are stacked, each reading the states of the one before
        bidirectional: whether a second state goes from the last step to the first
        bias: whether gates have biases: two vectors in PyTorch, one for the input and one for the state
    Shape: (T, N) → (T, hidden), twice as wide if bidirectional
    Raises: input that is not steps × features
    """

    hidden: Positive
    layers: Count = 1
    bidirectional: Flag = False
    bias: Flag = True

    learns = ParameterRole.WEIGHT
    operation = Operation.RECURRENCE

    gates: ClassVar[int]
    """How many times as wide as the state what a step computes from input and state is."""

    def output(self, x: Shape) -> Shape:
        require(
            len(x) == 2,
            lambda: LayerError(
                f"{self.kind} needs an input of steps × features, got {fmt_shape(x)}",
                hint="an embedding turns indices into features; give the spec an input such as [35, 300]",
            ),
        )
        return (x[0], self.directions * self.hidden)

    @property
    def directions(self) -> int:
        """How many states go along the sequence."""
        return 2 if self.bidirectional else 1

    def parameters(self, x: Shape) -> dict[str, Shape]:
        width = self.gates * self.hidden
        found: dict[str, Shape] = {}
        for i, inputs in enumerate(self._inputs(x)):
            for direction in ("", "_reverse")[: self.directions]:
                found[f"weight_ih_l{i}{direction}"] = (width, inputs)
                found[f"weight_hh_l{i}{direction}"] = (width, self.hidden)
                if self.bias:
                    found |= {f"bias_{of}_l{i}{direction}": (width,) for of in ("ih", "hh")}
        return found

    def _inputs(self, x: Shape) -> list[Dim]:
        """The width of what each of the stacked layers reads."""
        return [x[1], *[self.directions * self.hidden] * (self.layers - 1)]

    def ops(self, x: Shape, y: Shape) -> Ops:
        steps, width = x[0] * self.directions, self.gates * self.hidden
        step = self.step()
        return Ops(
            macs=steps * sum(width * (inputs + self.hidden) for inputs in self._inputs(x)),
            additions=steps * self.layers * ((3 if self.bias else 1) * width + step.additions),
            multiplications=steps * self.layers * step.multiplications,
            divisions=steps * self.layers * step.divisions,
            comparisons=steps * self.layers * step.comparisons,
            special=steps * self.layers * step.special,
        )

    def backward_macs(self, x: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool) -> Dim:
        steps, width = x[0], self.directions * self.gates * self.hidden
        macs: Dim = 0
        through = needs_grad[0]
        for inputs in self._inputs(x):
            macs = macs + width * steps * inputs * (through + trains)
            through = through or trains
            if trains:
                macs = macs + width * steps * self.hidden
            if through:  # the first state is zeros, which need no gradient
                macs = macs + width * (steps - 1) * self.hidden
        return macs

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        # Step by step, each of several operations; only the output's layout is known.
        run.keeps_what_is_unknown()
        run.has_alive_what_is_unknown()
        return self._states(run, x)

    def _states(self, run: Execution, x: Tensor) -> Tensor:
        """The states of every step, which lie step after step."""
        batch, steps, _ = x.shape
        return run.permuted(run.new((steps, batch, self.directions * self.hidden), x, trains=True), (1, 0, 2))

    def step(self) -> Ops:
        """What one step does once the gates' sums are known."""
        raise TypeError(f"{type(self).__name__} does not say what a step does")

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN


def _twin(path: str, **more: Any) -> TorchTwin:
    return TorchTwin(
        path,
        result=0,
        input_size=FEATURES,
        hidden_size="hidden",
        num_layers="layers",
        bidirectional="bidirectional",
        bias="bias",
        batch_first=Constant(True),
        **more,
    )


class RNN(Recurrent, kind="rnn"):
    """Elman's recurrent layer: the state is tanh (or ReLU) of weighted input and weighted last state.

    Fields:
        hidden: width of the state
        layers: how many are stacked, each reading the states of the one before
        bidirectional: whether a second state goes from the last step to the first
        bias: whether gates have biases: two vectors in PyTorch, one for the input and one for the state
        nonlinearity: tanh or relu
    Params: for each layer and direction hidden · (N + hidden) weights, and 2 · hidden biases
    Ops: per step, layer and direction one multiply-add per weight; per element of the state one addition (three with
        biases) and one tanh, or one comparison with relu
    Source: torch.nn.RNN; Elman, "Finding Structure in Time" (1990)

    >>> RNN(hidden=20).params((35, 10)).total
    640
    """

    nonlinearity: Annotated[Literal["tanh", "relu"], Meta(description="tanh or relu")] = "tanh"

    gates = 1
    torch = _twin("torch.nn.RNN", nonlinearity="nonlinearity")

    def step(self) -> Ops:
        return Ops(special=self.hidden) if self.nonlinearity == "tanh" else Ops(comparisons=self.hidden)


class LSTM(Recurrent, kind="lstm"):
    """Long short-term memory: a cell that input, forget and output gates write, keep and show.

    Params: for each layer and direction 4 · hidden · (N + hidden) weights, and 8 · hidden biases
    Ops: per step, layer and direction one multiply-add per weight; per gate and element of the state one addition
        (three with biases); per element three sigmoids (one exp, one addition, one division each), two tanh, three
        multiplications and one addition
    Source: torch.nn.LSTM; Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997)

    >>> lstm = LSTM(hidden=650, layers=2)
    >>> lstm.params((35, 650)).total, lstm.ops((35, 650), (35, 650)).macs
    (6770400, 236600000)
    """

    gates = 4
    torch = _twin("torch.nn.LSTM")

    def step(self) -> Ops:
        return Ops(special=5, additions=4, divisions=3, multiplications=3).times(self.hidden)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        if run.width != FULL_PRECISION_BYTES or not self.bias:
            return super().execute(run, x)  # PyTorch then goes step by step, or makes biases of zeros
        run.keeps_what_is_unknown()  # a workspace of oneDNN's, whose size it alone knows
        batch, steps, _ = x.shape
        states = (self.layers * self.directions, batch, self.hidden)
        run.new(states)
        run.new(states)
        turned = run.permuted(x, (1, 0, 2))
        first = run.contiguous(turned)
        read, outputs = first, [first] * self.directions
        for _ in range(self.layers):
            for direction in range(self.directions):
                before, outputs[direction] = outputs[direction], run.new((steps, batch, self.hidden), x, trains=True)
                run.new((2, batch, self.hidden))
                run.keep(outputs[direction], read, outputs[direction])
                if before is not first:
                    run.free(before)
            last, read = read, outputs[0]
            if self.directions > 1:
                read = run.concatenated(outputs, 2)
                if last is not first:
                    run.free(last)
        run.new(states)
        run.new(states)
        return run.permuted(read, (1, 0, 2))


class GRU(Recurrent, kind="gru"):
    """Gated recurrent unit: one gate resets the state that a new one is made from, one chooses between old and new.

    Params: for each layer and direction 3 · hidden · (N + hidden) weights, and 6 · hidden biases
    Ops: per step, layer and direction one multiply-add per weight; per gate and element of the state one addition
        (three with biases); per element two sigmoids (one exp, one addition, one division each), one tanh, three
        multiplications and two additions
    Source: torch.nn.GRU, n + z · (h - n) written as (1 - z) · n + z · h; Cho et al., arXiv:1406.1078

    >>> GRU(hidden=20, bidirectional=True).output((35, 10))
    (35, 40)
    """

    gates = 3
    torch = _twin("torch.nn.GRU")

    def step(self) -> Ops:
        return Ops(special=3, additions=4, divisions=2, multiplications=3).times(self.hidden)
