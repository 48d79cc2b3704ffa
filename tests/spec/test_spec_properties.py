from hypothesis import given
from hypothesis import strategies as st

from archcalc import LayerReport, Totals
from tests.specs_helper import layers, numbers, report

# Small chains of layers that fit any input. COMMON stands for a name or repeat, C for a number of channels.
_LAYERS = (
    "conv: {COMMON filters: C, kernel: 3, pad: 1}",
    "conv: {COMMON filters: C, kernel: [1, 3], pad: same, bias: false}",
    "batchnorm: {COMMON}",
    "relu: {COMMON}",
    "maxpool: {COMMON kernel: 3, stride: 1, pad: 1}",
    "dropout: {COMMON p: 0.5}",
)
_entry = st.builds(lambda text, c: text.replace("C,", f"{c},"), st.sampled_from(_LAYERS), st.integers(1, 9))
_entries = st.lists(_entry, min_size=1, max_size=8)


def chain(entries: list[str], common: str = "") -> str:
    """The spec of these entries; # in what they have in common is the number of each."""
    return layers(*(entry.replace("COMMON", common.replace("#", str(n))) for n, entry in enumerate(entries)))


@given(_entries)
def test_names_change_no_number(entries: list[str]) -> None:
    assert numbers(chain(entries, "name: layer#,")) == numbers(chain(entries))


@given(_entries, st.integers(0, 4))
def test_a_repetition_is_its_layers_one_after_the_other(entries: list[str], times: int) -> None:
    unrolled = [entry for entry in entries for _ in range(times)]
    repeated = chain(entries, f"repeat: {times},") + "  - relu\n"
    assert numbers(repeated) == numbers(chain(unrolled) + "  - relu\n")


@given(st.integers(1, 5), st.integers(1, 4))
def test_a_repetition_that_varies_is_its_layers_with_their_numbers(times: int, factor: int) -> None:
    repeated = layers(f"conv: {{filters: {factor} * i + 1, kernel: 1, repeat: {times}}}")
    unrolled = layers(*(f"conv: {{filters: {factor * i + 1}, kernel: 1}}" for i in range(times)))
    assert numbers(repeated) == numbers(unrolled)


@given(_entries, st.integers(2, 1000))
def test_a_batch_costs_its_samples(entries: list[str], batch: int) -> None:
    one, many = report(chain(entries)), report(chain(entries), batch=batch)
    for a, b in zip(one.layers, many.layers, strict=True):
        costs_n_times(a, b, batch)
    costs_n_times(one.totals, many.totals, batch)


def costs_n_times(one: LayerReport | Totals, many: LayerReport | Totals, n: int) -> None:
    assert (many.params, many.buffers) == (one.params, one.buffers)
    assert many.memory_bytes == n * one.memory_bytes
    assert (many.macs, many.flops) == (n * (one.macs or 0), n * (one.flops or 0))


@given(_entries)
def test_totals_are_the_sums_of_rows(entries: list[str]) -> None:
    found = report(chain(entries))
    for name in ("params", "buffers", "memory_bytes", "macs", "flops"):
        assert getattr(found.totals, name) == sum(getattr(row, name) for row in found.layers)
