"""Networks that label pixels and find objects, against torchvision's: parameters, multiply-adds, and outputs.

torchvision's models are built without weights, those of full size on the meta device. What comes before and after the
network (scaling images, anchors, choosing boxes) is left out on both sides.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import archcalc

torch = pytest.importorskip("torch")
witnesses = pytest.importorskip("tests.architectures.witnesses")
counter = pytest.importorskip("torch.utils.flop_counter")

CLOSE = 1e-10
"""Of float64, as a share of an output's largest number."""


if witnesses.torchvision() is None:
    pytest.skip("the witness of detection and segmentation, torchvision, is not installed", allow_module_level=True)
models = witnesses.torchvision().models


def segmenter(name: str, **changes: Any) -> Any:
    return getattr(models.segmentation, name)(
        weights=None, weights_backbone=None, num_classes=21, aux_loss=True, **changes
    ).eval()


def macs(run: Callable[[Any], object], side: int) -> int:
    """The multiply-adds of a run on a square image."""
    counted = counter.FlopCounterMode(display=False)
    with torch.no_grad(), counted:
        run(torch.zeros(1, 3, side, side))
    return int(counted.get_total_flops()) // 2


def numbers(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "params", "large", "small"),
    [
        ("fcn_resnet50", 35_322_218, 152_716_512_000, 28_338_401_280),
        ("fcn_resnet101", 54_314_346, 232_737_606_400, 43_187_286_016),
        ("deeplabv3_resnet50", 42_004_074, 178_721_945_088, 33_164_451_840),
        ("deeplabv3_resnet101", 60_996_202, 258_743_039_488, 48_013_336_576),
    ],
)
def test_networks_that_label_pixels(name: str, params: int, large: int, small: int) -> None:
    with torch.device("meta"):
        model = segmenter(name)
        theirs = [macs(model, side) for side in (520, 224)]
    whole, less = (archcalc.analyze(name, input=(3, side, side)).totals for side in (520, 224))
    assert (numbers(model), theirs) == (whole.params, [whole.macs, less.macs]) == (params, [large, small])


def move(theirs: Sequence[Any], own: Any) -> None:
    """Give a network of archcalc's own the weights and statistics of torchvision's modules, one after the other."""
    torch.manual_seed(0)
    for module in [part for whole in theirs for part in whole.modules()]:
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.1)
    shared_once = {tensor.data_ptr(): tensor for tensor in own.state_dict().values()}
    given = [tensor for module in theirs for tensor in module.state_dict().values()]
    with torch.no_grad():
        for mine, tensor in zip(shared_once.values(), given, strict=True):
            assert mine.shape == tensor.shape
            mine.copy_(tensor)


def close(own: Any, theirs: Any) -> bool:
    assert own.shape == theirs.shape
    return float((own - theirs).abs().max()) < CLOSE * float(theirs.abs().max())


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_resnet50"])
def test_the_same_weights_label_pixels_alike(name: str) -> None:
    theirs = segmenter(name).double()
    own = archcalc.to_torch(name, input=(3, 72, 41)).double().eval()
    move([theirs], own)
    image = torch.randn(2, 3, 72, 41, dtype=torch.float64)
    with torch.no_grad():
        expected, found = theirs(image), own(image)
    assert close(found[0], expected["out"])
    assert close(found[1], expected["aux"])
    assert not close(found[0], expected["aux"])


def detector(name: str) -> Any:
    return getattr(models.detection, name)(weights=None, weights_backbone=None).eval()


def detect(model: Any, image: Any) -> Any:
    """What the heads make of an image."""
    return model.head(list(model.backbone(image).values()))


@pytest.mark.parametrize(
    ("name", "side", "params", "multiply_adds"),
    [
        ("retinanet_resnet50_fpn", 800, 34_068_119, 151_540_437_248),
        ("ssd300_vgg16", 300, 35_641_826, 34_858_153_472),
    ],
)
def test_networks_that_find_objects(name: str, side: int, params: int, multiply_adds: int) -> None:
    with torch.device("meta"):
        model = detector(name)
        found = macs(lambda image: detect(model, image), side)
    totals = archcalc.analyze(name).totals
    assert (numbers(model), found) == (totals.params, totals.macs) == (params, multiply_adds)


def test_the_same_weights_find_the_same_objects_on_a_pyramid() -> None:
    theirs = detector("retinanet_resnet50_fpn").double()
    own = archcalc.to_torch("retinanet_resnet50_fpn", input=(3, 130, 91)).double().eval()
    pyramid = theirs.backbone.fpn
    finest_last = list(reversed(pyramid.inner_blocks))
    move([theirs.backbone.body, *finest_last, pyramid.layer_blocks, pyramid.extra_blocks, theirs.head], own)
    image = torch.randn(2, 3, 130, 91, dtype=torch.float64)
    with torch.no_grad():
        expected, found = detect(theirs, image), own(image)
    assert close(found[0], expected["cls_logits"])
    assert close(found[1], expected["bbox_regression"])


def test_the_same_weights_find_the_same_objects_at_six_scales() -> None:
    theirs = detector("ssd300_vgg16").double()
    own = archcalc.to_torch("ssd300_vgg16").double().eval()
    lengths = torch.nn.Module()
    lengths.weight = torch.nn.Parameter(torch.nn.init.uniform_(theirs.backbone.scale_weight, 10, 30).view(-1, 1, 1))
    boxes, classes = theirs.head.regression_head.module_list, theirs.head.classification_head.module_list
    heads = [head for pair in zip(boxes, classes, strict=True) for head in pair]
    move([theirs.backbone.features, lengths, theirs.backbone.extra, *heads], own)
    image = torch.randn(2, 3, 300, 300, dtype=torch.float64)
    with torch.no_grad():
        expected, found = detect(theirs, image), own(image)
    assert close(found[0], expected["bbox_regression"])
    assert close(found[1], expected["cls_logits"])
