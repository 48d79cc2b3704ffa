"""PyTorch against a clock of the tests' own: what is timed, what must be moved, and what an error says."""

import math
from collections.abc import Callable
from typing import Any

import pytest

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.evidence.timing import Roof, Timing
from archcalc.spec.expand import expand
from tests.specs_helper import graph, layers, report

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.timing")
roofs = pytest.importorskip("archcalc.torch_backend.roof")
clocks = pytest.importorskip("archcalc.torch_backend.clocks")

ROOF = Roof(1000.0, 1000.0, 1000.0, 0.0)
NET = layers("conv: {name: c, filters: 4, kernel: 3, pad: 1}", "relu", "flatten", "linear: {name: head, features: 3}")


class FakeClock:
    """A clock that stands still unless somebody turns its hand; only what has been waited for can be read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited_until = -1.0

    def mark(self) -> float:
        return self.now

    def wait(self) -> None:
        self.waited_until = self.now

    def seconds(self, start: float, end: float) -> float:
        assert end <= self.waited_until
        return end - start


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock on which a convolution takes 3 s, a linear layer 2 s, and all else no time."""
    clock = FakeClock()
    for cls, seconds in ((torch.nn.Conv2d, 3.0), (torch.nn.Linear, 2.0)):
        monkeypatch.setattr(cls, "forward", _taking(cls.forward, seconds, clock))
    return clock


def _taking(forward: Callable[..., Any], seconds: float, clock: FakeClock) -> Callable[..., Any]:
    def slow(*args: Any) -> Any:
        clock.now += seconds
        return forward(*args)

    return slow


def timed(text: str, clock: Any = None, warm_up: int = 0, repeat: int | None = 1, **settings: Any) -> Timing:
    at = {name: settings.pop(name) for name in ("batch", "dtype") if name in settings}
    repetitions = backend.Repetitions(warm_up, repeat)
    found: Timing = backend.time_network(
        graph(text), report(text, **at), ROOF, repetitions=repetitions, clock=clock, **settings
    )
    return found


def moved(text: str, **settings: Any) -> list[int | None]:
    return [layer.bytes_moved for layer in timed(text, **settings).layers]


def test_every_layer_and_the_whole_are_timed_as_often_as_was_asked(clock: FakeClock) -> None:
    found = timed(NET, clock, warm_up=2, repeat=3)
    assert [layer.samples.seconds for layer in found.layers if layer.samples] == [
        (3.0, 3.0, 3.0),
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        (2.0, 2.0, 2.0),
    ]
    assert found.whole.seconds == (5.0, 5.0, 5.0)
    assert found.layers_seconds == found.whole.median
    assert found.compiled is None
    # Building runs every layer once; then come one pass for the bytes, two untimed, and two in each of three rounds.
    assert clock.now == 5.0 * (1 + 1 + 2 + 2 * 3)


def test_no_hook_is_left_and_none_is_there_when_the_whole_is_timed(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, hooks = [], []

    def watched(self: Any, x: Any) -> Any:
        models.append(self)
        hooks.append(sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in self.modules()))
        return forward(self, x)

    forward = backend.Network.forward
    monkeypatch.setattr(backend.Network, "forward", watched)
    timed(NET, clock, warm_up=1, repeat=2)
    assert hooks == [8, 0, 0, 8, 0, 8]  # for the bytes; the warm-up; the whole and the layers, twice
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in models[0].modules())
    assert not models[0].training


def test_a_compiled_network_is_timed_beside_the_one_as_it_is(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def faster(model: Any) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            clock.now += 1.0
            return x

        return run

    monkeypatch.setattr(torch, "compile", faster)
    found = timed(NET, clock, repeat=2, compile=True)
    assert found.compiled is not None
    assert (found.whole.seconds, found.compiled.seconds, found.best) == ((5.0, 5.0), (1.0, 1.0), found.compiled)
    assert found.layers_seconds == 5.0


def test_a_compiler_that_fails_is_one_clear_line(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(model: Any) -> Any:
        raise OSError("no compiler\nand a long story")

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(ArchcalcError) as caught:
        timed(NET, clock, compile=True)
    (problem,) = caught.value.problems
    assert problem.message == "net: torch.compile failed: no compiler"
    assert problem.hint is not None
    assert "C++ compiler" in problem.hint


def test_repetitions_end_with_the_time_but_are_never_too_few() -> None:
    def after(seconds: float) -> int:
        hand = iter(range(10_000))
        return len(list(backend.Repetitions().rounds(lambda: seconds * next(hand))))

    assert [after(100.0), after(0.7), after(0.001)] == [backend.FEWEST, 7, backend.MOST]


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("bfloat16", 2), ("float64", 8)])
def test_bytes_by_hand(dtype: str, width: int) -> None:
    text = layers(
        "conv: {filters: 4, kernel: 3, pad: 1}",  # 3×8×8 → 4×8×8, 3·4·9 weights and 4 biases
        "relu",
        "add: {from: [relu1, relu1]}",  # one tensor, read once
        "flatten",
        "dropout",
        "linear: 5",  # 256 → 5
    )
    conv, output = 2 * 3 * 64 + 3 * 4 * 9 + 4 + 2 * 4 * 64, 2 * 4 * 64
    linear = output + 256 * 5 + 5 + 2 * 5
    expected = [width * n for n in (conv, 2 * output, 2 * output, 0, 0, linear)]
    assert moved(text, batch=2, dtype=dtype) == expected


def test_a_norm_reads_its_statistics_but_not_how_many_batches_there_were() -> None:
    assert moved(layers("batchnorm"), batch=2) == [4 * (2 * 2 * 3 * 64 + 4 * 3)]


def test_of_a_table_only_what_is_looked_up_is_read() -> None:
    text = layers("embedding: {name: e, vocabulary: 1000, features: 8}", head="input: [5]")
    assert moved(text, batch=2) == [2 * 5 * 8 + 2 * (2 * 5 * 8 * 4)]  # the indices are of 8 bytes
    assert moved(layers("embedding: {name: e, vocabulary: 3, features: 8}", head="input: [5]")) == [
        40 + 3 * 8 * 4 + 160
    ]


def test_tied_weights_are_read_like_any() -> None:
    text = layers("linear: {name: a, features: 4}", "relu", "linear: {features: 4, tied: a}", head="input: [4]")
    found = timed(text)
    assert [layer.row.params for layer in found.layers] == [20, 0, 0]
    assert [layer.bytes_moved for layer in found.layers] == [4 * (4 + 20 + 4), 4 * (4 + 4), 4 * (4 + 20 + 4)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resnet18", {"flatten"}), ("googlenet", {"flatten", "dropout"}), ("vit_b_32", {"flatten", "slice", "transpose"})],
)
def test_bytes_are_those_of_the_rules(name: str, expected: set[str]) -> None:
    """The tensors against the report: they differ only in views, which the rules do not know."""
    architecture = archcalc.load(name)
    found = backend.time_network(
        expand(architecture)[0], archcalc.analyze(architecture), ROOF, repetitions=backend.Repetitions(0, 1)
    )
    views = set()
    for layer in found.layers:
        row = layer.row
        if layer.bytes_moved == 0:
            views.add(row.kind)
            continue
        numbers = sum(map(math.prod, row.inputs)) + row.elements + row.params + row.buffers
        assert layer.bytes_moved == 4 * (numbers - (row.kind == "batchnorm")), row.name  # less its counter
    assert views == expected


def test_what_runs_in_training_alone_is_not_timed() -> None:
    text = layers("linear: {name: aux, features: 2, train_only: true}", "linear: 3", head="input: [4]")
    aux, main = timed(text).layers
    assert (aux.samples, aux.bytes_moved) == (None, None)
    assert main.bytes_moved == 4 * (4 + 15 + 3)


def test_nothing_is_left_behind() -> None:
    state, used, gradients = torch.random.get_rng_state(), torch.get_num_threads(), torch.is_grad_enabled()
    with backend.threads(used + 1) as now:
        assert (now, torch.get_num_threads()) == (used + 1, used + 1)
        timed(NET)
    with pytest.raises(KeyError), backend.threads(used + 1):
        raise KeyError
    with backend.threads(None) as now:
        assert now == used
    assert torch.equal(state, torch.random.get_rng_state())
    assert (torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == (
        used,
        gradients,
        False,
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of …"),
            "net: head: out of memory on cpu: 20.00 MiB requested",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096000 bytes. Error 12"),
            "net: head: out of memory on cpu: 3.91 MiB requested",
        ),
        (MemoryError(), "net: head: out of memory on cpu"),
        (RuntimeError("no such\nkernel"), "net: head: PyTorch failed: no such kernel"),
    ],
)
def test_what_fails_says_where(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    forward = torch.nn.Linear.forward

    def fails(self: Any, x: Any) -> Any:
        if x.is_meta:
            return forward(self, x)
        raise error

    monkeypatch.setattr(torch.nn.Linear, "forward", fails)
    with pytest.raises(ArchcalcError) as caught:
        timed(NET)
    (problem,) = caught.value.problems
    assert problem.message == message
    assert (problem.hint == backend.SMALLER) == ("out of memory" in message)


def test_what_would_not_fit_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "free_memory", lambda _: 1000)
    with pytest.raises(ArchcalcError, match=r"net: it needs about .* of memory, 1,?000 bytes available"):
        timed(NET)


def test_how_often_the_processor_was_taken_away() -> None:
    assert backend._a_second(100, 130, 0.5) == 60.0
    assert backend._a_second(100, 101, 0.01) is None
    assert backend._a_second(None, None, 9.0) is None
    first = backend.preemptions()
    assert first is None or first >= 0


class EverySecond(FakeClock):
    """A clock on which everything takes one second."""

    def seconds(self, start: float, end: float) -> float:
        return 1.0


def test_the_roof_counts_what_is_computed_and_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofs, "MEMORY_BYTES", 4096)
    size = roofs.SMALLEST
    assert roofs.measured_roof("cpu", "float32", EverySecond()) == Roof(size**3, size**2 * 64 * 64, 2 * 4096, 1.0)


def test_a_calibration_grows_until_it_is_long_enough() -> None:
    clock, sizes = FakeClock(), []

    def of_size(n: int) -> tuple[Callable[[], None], int]:
        sizes.append(n)

        def work() -> None:
            clock.now += 0.001 + n / 100_000  # a start, and 100,000 a second

        return work, n

    rate = roofs._rate(clock, of_size)
    assert sizes == [256, 512, 1024, 2048]
    assert rate == pytest.approx(2048 / (0.001 + 0.02048))
    assert roofs._rate(FakeClock(), lambda n: (lambda: None, n)) == pytest.approx(roofs.LARGEST * 1e9)


def test_the_clock_of_the_host_goes_forward() -> None:
    clock = clocks.clock_of("cpu")
    start = clock.mark()
    clock.wait()
    assert 0 <= clock.seconds(start, clock.mark()) < 60
    assert type(clocks.clock_of("mps")) is type(clocks.clock_of("xpu")) is clocks.AcceleratorClock


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO CUDA DEVICE: nothing was timed on a GPU")
def test_times_on_a_gpu() -> None:
    architecture = archcalc.load("resnet18")
    roof = backend.roof_of("cuda", "float32")
    found = backend.time_network(
        expand(architecture)[0],
        archcalc.analyze(architecture, batch=32),
        roof,
        device="cuda",
        repetitions=backend.Repetitions(3, 5),
    )
    assert found.layers_seconds > 0
    assert 0 < found.whole.median < 60
    assert {layer.bound for layer in found.layers} & {"compute", "memory", "neither"}
