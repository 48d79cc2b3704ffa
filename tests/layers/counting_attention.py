"""Naive loops through attention and recurrent layers, scalar by scalar, that count what they do."""

from archcalc.layers.attention import Attention
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.recurrent import GRU, LSTM, RNN, Recurrent
from archcalc.layers.window_attention import CosineWindowAttention, WindowAttention
from tests.layers.counting import Tally, every


def pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size, size)


def softmax_row(tally: Tally, count: int) -> None:
    for _ in range(count):
        tally.do("comparisons")  # the maximum
        tally.do("additions", "special")  # exp(score - maximum)
        tally.do("additions")  # their sum
        tally.do("divisions")


def attend(layer: Attention, q: Sizes, k: Sizes, v: Sizes, bias: Sizes | None = None) -> Tally:
    tally = Tally()
    kv_heads = layer.heads if layer.kv_heads is None else layer.kv_heads
    for group in every(q[:-2]):
        for head in range(layer.heads):
            columns = [c for c in range(q[-1]) if c * layer.heads // q[-1] == head]
            shared = head * kv_heads // layer.heads
            values = [c for c in range(v[-1]) if c * kv_heads // v[-1] == shared]
            for token in range(q[-2]):
                for _ in range(k[-2]):
                    for _ in columns:
                        tally.do("macs")
                    tally.do("multiplications")  # by the scale
                    if layer.softcap is not None:
                        tally.do("special", "multiplications")  # cap · tanh(…)
                    if layer.causal:
                        tally.do("additions")  # the mask
                    if bias is not None:
                        tally.do("additions")
                softmax_row(tally, k[-2])
                for place, _ in enumerate(values):
                    tally.reached.add((*group, token, head * len(values) + place))
                    for _ in range(v[-2]):
                        tally.do("macs")
    return tally


def offset(a: int, b: int, width: int) -> tuple[int, int]:
    return a // width - b // width, a % width - b % width


def attend_in_windows(layer: WindowAttention | CosineWindowAttention, x: Sizes) -> Tally:
    tally = Tally()
    height, width = pair(layer.size)
    cosine = isinstance(layer, CosineWindowAttention)
    if isinstance(layer, CosineWindowAttention):
        make_biases(tally, layer)
    for window in every(x[:2]):
        for head in range(layer.heads):
            columns = [c for c in range(x[3]) if c * layer.heads // x[3] == head]
            if cosine:
                for _ in range(2 * x[2]):  # of queries and of keys
                    for _ in columns:
                        tally.do("multiplications", "additions")  # the sum of squares
                    tally.do("special", "comparisons")  # its root, not less than a least length
                    for _ in columns:
                        tally.do("divisions")
            for query in range(x[2]):
                for key in range(x[2]):
                    for _ in columns:
                        tally.do("macs")
                    tally.do("multiplications")  # by the scale
                    tally.do("additions")  # the bias of their offset
                    tally.buffers.add((query, key))
                    if not cosine:
                        tally.weights.add((offset(query, key, width), head))
                    if any(pair(layer.shift)):
                        tally.do("additions")  # the mask
                softmax_row(tally, x[2])
                for column in columns:
                    tally.reached.add((*window, query, column))
                    for _ in range(x[2]):
                        tally.do("macs")
    assert height * width == x[2]
    return tally


def make_biases(tally: Tally, layer: CosineWindowAttention) -> None:
    height, width = pair(layer.size)
    tokens = range(height * width)
    for place in {offset(a, b, width) for a in tokens for b in tokens}:
        tally.buffers |= {("logarithm", place, 0), ("logarithm", place, 1)}
        for unit in range(layer.hidden):
            for axis in (0, 1):
                tally.weights.add(("in", axis, unit))
                tally.do("macs")
            tally.biases.add(unit)
            tally.do("additions", "comparisons")  # the bias, ReLU
        for head in range(layer.heads):
            for unit in range(layer.hidden):
                tally.weights.add(("out", unit, head))
                tally.do("macs")
            tally.do("special", "additions", "divisions")  # the sigmoid
            tally.do("multiplications")  # by 16
    for head in range(layer.heads):
        tally.weights.add(("scale", head))
        tally.do("comparisons", "special")  # not more than ln 100; exp


def sigmoid(tally: Tally) -> None:
    tally.do("special", "additions", "divisions")


def recur(layer: Recurrent, x: Sizes) -> Tally:
    tally = Tally()
    directions = ("forward", "backward") if layer.bidirectional else ("forward",)
    width = x[1]
    for stacked in range(layer.layers):
        reached: set[tuple[int, ...]] = set()
        for way, direction in enumerate(directions):
            for step in range(x[0]):
                for unit in range(layer.hidden):
                    reached.add((step, way * layer.hidden + unit))
                    for gate in GATES[type(layer)]:
                        gather(tally, layer, (stacked, direction, gate, unit), width)
                        if gate in ("in", "forget", "out", "reset", "update"):
                            sigmoid(tally)
                    UPDATES[type(layer)](tally, layer)
        width = len(directions) * layer.hidden
        tally.reached = reached
    return tally


def gather(tally: Tally, layer: Recurrent, place: tuple[object, ...], width: int) -> None:
    """What a gate sums up of the input and of the state."""
    for source, count in (("input", width), ("state", layer.hidden)):
        for i in range(count):
            tally.weights.add((*place, source, i))
            tally.do("macs")
        if layer.bias:
            tally.biases.add((*place, source))
            tally.do("additions")
    tally.do("additions")  # both together


def update_rnn(tally: Tally, layer: Recurrent) -> None:
    tally.do("special" if getattr(layer, "nonlinearity", "") == "tanh" else "comparisons")


def update_lstm(tally: Tally, layer: Recurrent) -> None:
    tally.do("special")  # tanh of the candidate
    tally.do("multiplications", "multiplications", "additions")  # forget · cell + in · candidate
    tally.do("special", "multiplications")  # out · tanh(cell)


def update_gru(tally: Tally, layer: Recurrent) -> None:
    tally.do("multiplications", "special")  # tanh(… + reset · …)
    tally.do("additions", "multiplications", "multiplications", "additions")  # (1 - z) · new + z · old


GATES = {RNN: ("state",), LSTM: ("in", "forget", "candidate", "out"), GRU: ("reset", "update", "new")}
UPDATES = {RNN: update_rnn, LSTM: update_lstm, GRU: update_gru}
