"""The bytes that a layer must move, as the rules have them, against the tensors of a forward pass in PyTorch."""

import pytest
import torch

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.torch_backend import timing
from archcalc.torch_backend.clocks import clock_of
from tests.specs_helper import graph, layers, report

NETWORKS = (
    "alexnet",
    "googlenet",
    "resnet18",
    "densenet121",
    "shufflenet_v2_x0_5",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "swin_t",
    "swin_v2_t",
    "vit_b_32",
    "convnext_tiny",
    "unet",
)


def measured(network: archcalc.Graph, found: archcalc.Report) -> list[int | None]:
    """Off the tensors of one pass."""
    settings = found.settings
    with torch.inference_mode():
        model, inputs = timing._model_and_inputs(network, "cpu", settings.batch, settings.dtype, 0)
        return timing._bytes_moved(network, model, inputs, "cpu", clock_of("cpu"))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rules_move_what_pytorch_moves(name: str) -> None:
    network, found = analyze_graph(name)
    moved = measured(network, found)
    unlike = [
        (row.name, row.kind, row.bytes_moved, bytes_moved)
        for row, bytes_moved in zip(found.layers, moved, strict=True)
        if row.bytes_moved != (0 if row.train_only else bytes_moved)
    ]
    assert unlike == []
