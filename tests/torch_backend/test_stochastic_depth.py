"""Stochastic depth while training: what it drops, and that the mean stays."""

import pytest

torch = pytest.importorskip("torch")
twins = pytest.importorskip("archcalc.torch_backend.twins.stochastic_depth")

SAMPLES = 2000


def trained(p: float, mode: str) -> list[float]:
    """What becomes of samples of ones: one number for each, for they are kept or dropped whole."""
    torch.manual_seed(0)
    y = twins.StochasticDepth(p, mode).train()(torch.ones(SAMPLES, 3, 2))
    whole = y.flatten(1)
    assert (whole == whole[:, :1]).all()
    return [float(value) for value in whole[:, 0]]


def test_it_drops_samples_apart_and_scales_up_the_others() -> None:
    kept = trained(0.75, "row")
    assert set(kept) == {0.0, 4.0}
    assert abs(sum(kept) / SAMPLES - 1) < 0.15


def test_it_drops_a_whole_batch_at_once() -> None:
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        y = twins.StochasticDepth(0.5, "batch").train()(torch.ones(8, 3))
        assert len(y.unique()) == 1
        seen.add(float(y[0, 0]))
    assert seen == {0.0, 2.0}


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_all_or_nothing(mode: str) -> None:
    assert set(trained(0.0, mode)) == {1.0}
    assert set(trained(1.0, mode)) == {0.0}


def test_eval_mode_passes_its_input_on() -> None:
    x = torch.ones(4, 3)
    assert twins.StochasticDepth(0.9, "row").eval()(x) is x
