"""What fits against what PyTorch allocates on an accelerator, and, without one, under fake tensors on CUDA."""

import gc
from typing import Any

import pytest

from archcalc.analysis import analyze_graph
from archcalc.hardware.fit import Training, Workload

torch = pytest.importorskip("torch")
devices = pytest.importorskip("archcalc.torch_backend.devices")

ACCELERATOR = devices.accelerator()
HAS_ALLOCATOR = ACCELERATOR is not None and hasattr(torch.get_device_module(ACCELERATOR), "max_memory_allocated")
WORKSPACES = 64 * 2**20
"""What libraries of matrix products take of the allocator for themselves, at the most."""
ROUNDED = 0.02
"""By what share an allocator's blocks may be larger than what is asked for."""

needs_allocator = pytest.mark.skipif(
    not HAS_ALLOCATOR, reason="NO ACCELERATOR: what fits was not compared with the memory of a GPU"
)


def allocated_at_most(name: str, batch: int, training: Training | None) -> int:
    """The most bytes that the allocator had given out in a forward pass, or in a training step before its update."""
    from archcalc.analysis import graph_of
    from archcalc.torch_backend.measure import made
    from archcalc.torch_backend.training import run_backward
    from archcalc.training.optimizers import OPTIMIZERS

    memory = torch.get_device_module(ACCELERATOR)
    gc.collect()
    memory.empty_cache()
    before = memory.memory_allocated()
    with made(graph_of(name), device=ACCELERATOR, batch=batch, dtype="float32", seed=0) as (model, inputs):
        if training is None:
            with torch.no_grad():
                model.eval()(*inputs)
                memory.synchronize()
                memory.reset_peak_memory_stats()
                model(*inputs)
        else:
            kind = OPTIMIZERS[training.optimizer]
            optimizer = getattr(torch.optim, kind.torch)(model.parameters(), lr=1e-6, **kind.arguments)
            model.train()
            run_backward(model(*inputs))
            optimizer.step()  # its state is there from now on
            optimizer.zero_grad()
            memory.synchronize()
            memory.reset_peak_memory_stats()
            run_backward(model(*inputs))
        memory.synchronize()
        return int(memory.max_memory_allocated() - before)


@needs_allocator
@pytest.mark.parametrize("training", [None, Training("adam")], ids=["inference", "training"])
@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet50", "mobilenet_v2", "vit_b_16", "gpt2"])
def test_what_fits_is_what_the_allocator_gives_out(name: str, training: Training | None) -> None:
    from archcalc.analysis import graph_of

    batch = 2 if name == "gpt2" else 16
    computed = Workload(graph_of(name), training=training).need(batch).bytes
    measured = allocated_at_most(name, batch, training)
    print(f"{name}, batch {batch}: computed {computed:,}, allocated {measured:,}, ratio {measured / computed:.4f}")
    assert (1 - ROUNDED) * computed - WORKSPACES <= measured <= (1 + ROUNDED) * computed + WORKSPACES


@needs_allocator
def test_the_memory_of_the_device_is_that_of_its_label() -> None:
    from archcalc.hardware.devices import shipped_devices

    title = devices.device_name(ACCELERATOR).lower()
    total = torch.get_device_module(ACCELERATOR).mem_get_info()[1]
    alike = [device for device in shipped_devices().values() if device.name.partition("-")[0] in title]
    if not alike:
        pytest.skip(f"{title} is not among the devices that are known")
    assert any(abs(total - (device.usable_bytes or 0)) < 0.1 * total for device in alike)


STATISTICS = 2 * 4 * 4096
"""On CUDA, a batch norm in eval mode gives statistics besides, two numbers of float32 for each channel."""


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "convnext_tiny", "unet", "resnet50", "densenet121"])
def test_inference_on_cuda_has_alive_what_is_computed_under_fake_tensors(name: str) -> None:
    """Without a GPU: the operations that CUDA would run, on tensors without data."""
    fake_tensor = pytest.importorskip("torch._subclasses.fake_tensor")
    from archcalc.torch_backend.build import build
    from archcalc.torch_backend.memory import Alive

    graph, report = analyze_graph(name, batch=2)
    model = build(graph, "meta").eval().requires_grad_(False)
    with fake_tensor.FakeTensorMode():
        held = on_cuda(model)
        inputs = [torch.empty(2, *one.shape, device="cuda") for one in graph.inputs]
        alive = Alive(held)
        alive.note(inputs)
        with torch.no_grad(), alive.watching():
            model(*inputs)
    computed = report.totals.peak_memory_bytes
    assert computed is not None
    if any(row.kind.startswith("batchnorm") for row in report.layers):
        assert computed <= alive.most <= computed + STATISTICS
    else:
        assert alive.most == computed


def on_cuda(model: Any) -> list[Any]:
    """The parameters and buffers of a model, put on CUDA as fake tensors; those that layers share once."""
    made = dict[int, Any]()
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
                    tensors[name] = made.setdefault(id(tensor), empty)
    return list(made.values())
