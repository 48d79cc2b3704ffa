"""The bytes that a layer must move, as the rules have them, against the tensors of a forward pass in PyTorch."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.graph import Graph, Node
from archcalc.torch_backend import timing
from tests.specs_helper import graph, layers, report

NETWORKS = ("googlenet", "shufflenet_v2_x0_5", "swin_t", "swin_v2_t", "mobilenet_v3_small")


def measured(network: Graph, found: archcalc.Report) -> list[int | None]:
    """Off the tensors of one pass; None of a layer that does not run."""
    settings = found.settings
    moved: list[int | None] = [None] * len(network.nodes)

    def after(position: int, module: nn.Module, inputs: Sequence[Tensor], outputs: Any) -> None:
        node = network.nodes[position]
        result = node.layer.torch.result
        moved[position] = bytes_of(node, module, inputs, outputs if result is None else outputs[result])

    with torch.inference_mode():
        model, inputs = timing._model_and_inputs(network, "cpu", settings.batch, settings.dtype, 0)
        with timing._hooks(model, lambda _: None, after):
            model(*inputs)
    return moved


def bytes_of(node: Node, module: nn.Module, inputs: Sequence[Tensor], output: Tensor) -> int:
    """The bytes that a layer must at least move: its inputs, its output, and the parameters and buffers that it reads.

    Of a table no more is read than goes into the output, and a view of an input moves nothing.
    """
    different = {id(tensor): tensor for tensor in inputs}.values()
    if any(tensor.untyped_storage().data_ptr() == output.untyped_storage().data_ptr() for tensor in different):
        return 0
    written = output.nbytes
    # A scalar buffer counts batches in training.
    held = [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.dim())]
    read = sum(tensor.nbytes for tensor in held)
    if node.layer.indices_below is not None:
        read = min(read, written)
    return sum(map(_nbytes, different)) + read + written


def _nbytes(tensor: Tensor) -> int:
    """The bytes of a tensor; what is only repeated along an axis is there once."""
    distinct = math.prod(size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    return distinct * tensor.element_size()


def agrees(network: Graph, found: archcalc.Report) -> bool:
    unlike = [
        (row.name, row.kind, row.bytes_moved, moved)
        for row, moved in zip(found.layers, measured(network, found), strict=True)
        if row.bytes_moved != (0 if row.train_only else moved)
    ]
    assert unlike == []
    return True


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rules_move_what_pytorch_moves(name: str) -> None:
    assert agrees(*analyze_graph(name))


@pytest.mark.parametrize(
    "text",
    [
        layers("conv: {filters: 4, kernel: 3}", "add: {from: [conv1, conv1]}", "dropout", "flatten", "linear: 2"),
        layers("batchnorm", "instancenorm", "instancenorm: {track: true}"),
        layers("embedding: {vocabulary: 1000, features: 8}", "lstm: 6", head="input: [5]"),
        layers("embedding: {vocabulary: 3, features: 8}", head="input: [5]"),
        layers("linear: {name: a, features: 4}", "relu", "linear: {features: 4, tied: a}", head="input: [4]"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_networks(text: str, dtype: str) -> None:
    assert agrees(graph(text), report(text, batch=3, dtype=dtype))


def test_what_is_only_repeated_is_there_once() -> None:
    assert _nbytes(torch.zeros(3, 1).expand(3, 100)) == 12
    assert _nbytes(torch.zeros(6, 4)[::2]) == 48
