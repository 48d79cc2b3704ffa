"""Memory of random networks: layers of all kinds on inputs of all layouts, byte for byte against PyTorch's tensors.

ARCHCALC_RANDOM_NETWORKS sets how many are drawn; a nightly run takes thousands.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archcalc.engine.figures import SAVED
from tests.engine.composition import networks
from tests.specs_helper import graph, report

pytest.importorskip("torch")
verify = pytest.importorskip("archcalc.torch_backend.verify")

NETWORKS = int(os.environ.get("ARCHCALC_RANDOM_NETWORKS", "300"))
KNOWN_KEPT, KNOWN_PEAK = 0.9, 0.95
"""Of how many networks that train what is kept, and of how many that run the peak is known, at the least."""
ENOUGH = 0.8
"""Of how many networks PyTorch runs; it refuses, such as, to train batch norms of a single number."""
NO_KERNEL = "not implemented for 'Half'"
"""What PyTorch says of an operation that its CPU has none of at float16, such as training an rrelu."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_random_networks_take_what_pytorch_takes(dtype: str) -> None:
    peaks: list[int | None] = []
    kept: list[int | None] = []
    count = NETWORKS if dtype == "float32" else NETWORKS // 6

    @settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(networks(), st.sampled_from([1, 2]))
    def compare(text: str, batch: int) -> None:
        computed = report(text, batch=batch, dtype=dtype)
        found = verify.verify(graph(text), computed, device="cpu", memory=True)
        if found.memory is None:
            assert computed.totals.peak_memory_bytes is None, found.failure
            return
        differ = [(layer.row.name, c) for layer in found.layers for c in layer.of("differs")]
        assert (differ, found.memory.peak.verdict) in (([], "agrees"), ([], "not checkable"))
        assert found.memory.peak.computed in (None, found.memory.peak.measured)  # to the byte
        peaks.append(computed.totals.peak_memory_bytes)
        if found.memory.measured_saved_bytes is None:
            (why,) = {c.reason for layer in found.layers for c in layer.of("not checkable") if c.figure == SAVED.field}
            assert computed.totals.saved_for_backward_bytes is None or NO_KERNEL in why, why
        else:
            kept.append(computed.totals.saved_for_backward_bytes)

    compare()
    assert len(peaks) >= ENOUGH * count
    assert sum(peak is not None for peak in peaks) >= KNOWN_PEAK * len(peaks)
    assert len(kept) >= ENOUGH * count
    assert sum(one is not None for one in kept) >= KNOWN_KEPT * len(kept)
