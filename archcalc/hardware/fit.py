"""Whether a network fits a memory: what takes how much, the largest batch, and what would make it fit.

What is compared are the tensors that PyTorch has alive. What kernels take for themselves, a device's context and the
gaps of an allocator come on top, for which a reserve may be left.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

import msgspec

from archcalc._version import __version__
from archcalc.analysis import analyze_graph
from archcalc.engine.figures import LIVE
from archcalc.engine.report import Report
from archcalc.engine.settings import Settings
from archcalc.errors import SettingError
from archcalc.graph import Graph
from archcalc.layers.core.execution import FULL_PRECISION_BYTES
from archcalc.training.checkpointing import BLOCKS, NONE
from archcalc.training.cost import training_cost
from archcalc.units import BYTES_PER_ELEMENT, MAX_BATCH

SCHEMA_VERSION = 1
HALF_PRECISION = "bfloat16"

Verdict: TypeAlias = Literal["yes", "no", "unknown"]


class Training(msgspec.Struct, frozen=True):
    """How a network is trained, as `training_cost` takes it."""

    optimizer: str = "sgd"
    master_weights: bool = False
    checkpoint: str = NONE
    frozen: tuple[str, ...] = ()


class Need(msgspec.Struct, frozen=True):
    """What a network has in memory at a batch: parts that add up to `bytes`, at least those where it is not `exact`.

    `at` is the layer at which the most is alive; `notes` say what is not known, and why.
    """

    batch: int
    parts: dict[str, int]
    exact: bool
    at: str = ""
    notes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """All parts together."""
        return sum(self.parts.values())

    def verdict(self, available: int) -> Verdict:
        """Whether it fits so many bytes; never yes where there may be more than is known."""
        if self.bytes > available:
            return "no"
        return "yes" if self.exact else "unknown"

    def to_dict(self) -> dict[str, Any]:
        """The need as JSON has it."""
        return {**msgspec.to_builtins(self), "bytes": self.bytes}


class Workload(msgspec.Struct, frozen=True, dict=True):
    """A network at a dtype, at inference where `training` is None: what it needs at each batch."""

    graph: Graph
    dtype: str = "float32"
    training: Training | None = None

    @functools.cached_property
    def needs(self) -> dict[int, Need]:
        """Those that were found."""
        return {}

    def need(self, batch: int) -> Need:
        """What is in memory at a batch; raises what an analysis and `training_cost` raise.

        >>> from archcalc.analysis import graph_of
        >>> need = Workload(graph_of("alexnet"), training=Training("momentum")).need(128)
        >>> need.bytes, need.exact
        (1221263072, True)
        >>> Workload(graph_of("alexnet")).need(1).parts
        {'parameters': 244403360, 'buffers': 0, 'activations': 2223980}
        """
        if batch not in self.needs:
            graph, report = analyze_graph(self.graph, batch=batch, dtype=self.dtype)
            training = self.training
            self.needs[batch] = _inference(report) if training is None else _training(graph, report, training)
        return self.needs[batch]

    def largest_batch(self, available: int) -> int:
        """The largest batch whose known bytes fit, 0 where none does; at most MAX_BATCH.

        >>> from archcalc.analysis import graph_of
        >>> workload = Workload(graph_of("alexnet"))
        >>> batch = workload.largest_batch(2**30)
        >>> workload.need(batch).bytes <= 2**30 < workload.need(batch + 1).bytes
        True
        """
        return largest_batch(lambda batch: self.need(batch).bytes, available)


def _inference(report: Report) -> Need:
    if not report.is_plain:
        raise SettingError("what fits needs whole numbers, got symbols or arrays", hint="analyze at whole numbers")
    width = BYTES_PER_ELEMENT[report.settings.dtype]
    alive, notes = report.totals.peak_memory_bytes, list[str]()
    at, exact = "", alive is not None
    if alive is None:
        # Of what comes after a layer that is not known, it is not known whether it shares the memory of another.
        first = next(k for k, row in enumerate(report.layers) if row.live_bytes is None)
        alive = LIVE.known(report.layers[:first])
        unknown = [row.name for row in report.layers if row.live_bytes is None]
        notes.append(f"what is alive is not known of {_few(unknown)}, nor of what comes after {unknown[0]}")
    at = next((row.name for row in report.layers if row.live_bytes == alive), "")
    buffers = sum([cast("int", row.layer.buffer_bytes(*row.inputs, width=width)) for row in report.layers])
    parts = {"parameters": report.totals.params * width, "buffers": buffers, "activations": alive}
    return Need(report.settings.batch, parts, exact, at, tuple(notes))


def _training(graph: Graph, report: Report, how: Training) -> Need:
    found = training_cost(
        graph,
        report,
        optimizer=how.optimizer,
        master_weights=how.master_weights,
        checkpoint=how.checkpoint,
        frozen=how.frozen,
    )
    if not found.trained:
        raise SettingError(f"{found.architecture} has no parameters to train", hint="leave out --train, or --freeze")
    parts = {
        "parameters": found.parameter_bytes,
        **({"float32 master weights": found.master_bytes} if how.master_weights else {}),
        "buffers": found.buffer_bytes,
        f"state of {how.optimizer}": found.optimizer_bytes,
        "activations and gradients": found.peak_bytes - found.resident_bytes,
    }
    notes = []
    if found.saved_bytes is None:
        notes.append(
            f"what is saved is not known of {_few([one.name for one in found.layers if one.saved_bytes is None])}"
        )
    elif not found.peak_is_exact:
        notes.append("of some layers it is not known what their backward pass has alive")
    return Need(report.settings.batch, parts, found.peak_is_exact, found.peak_at, tuple(notes))


def _few(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def largest_batch(bytes_at: Callable[[int], int], available: int, most: int = MAX_BATCH) -> int:
    """The largest batch from 1 to `most` at which no more than `available` bytes are needed; 0 where there is none.

    It holds for needs that never fall as the batch grows. That it fits and one more does not is looked at, whatever
    they do. Needs grow by straight lines that become steeper, so that a line between two points finds it in few steps.

    >>> largest_batch(lambda batch: 100 + 7 * batch, 1000)
    128
    """
    low, used = 1, bytes_at(1)
    if used > available:
        return 0
    high, too_much = 2, bytes_at(min(2, most))
    while too_much <= available:
        if high >= most:
            return most
        slope = max(1, -(-(too_much - used) // (high - low)))
        low, used = high, too_much
        high = min(most, max(2 * low, low + (available - used) // slope + 1))
        too_much = bytes_at(high)
    halve = False
    while high - low > 1:
        straight = low + (available - used) * (high - low) // (too_much - used)
        middle = min(max((low + high) // 2 if halve else straight, low + 1), high - 1)
        needed, halve = bytes_at(middle), not halve
        if needed <= available:
            low, used = middle, needed
        else:
            high, too_much = middle, needed
    return low


class Way(msgspec.Struct, frozen=True):
    """What may be done where a network does not fit: `options` of the command line, and what comes of it.

    `largest_batch` is the largest one that fits by what is known: at most so many do where that is not all.
    """

    options: str
    need: Need
    verdict: Verdict
    largest_batch: int
    largest_is_exact: bool


class Fit(msgspec.Struct, frozen=True):
    """Whether a workload fits at a batch into `memory_bytes` of which `reserve_bytes` are left free.

    `largest_batch` is the largest one that fits by what is known: at most so many do where that is not all. `ways` are
    what may be done where it does not fit. `cards` is over how many of these a batch must be spread so that each holds
    all parameters and its share of the batch; None where it fits on one, or no batch does. `cards_at_least` is then how
    many it takes at least where all that is in memory, at a batch of 1, is split evenly.
    """

    workload: Workload
    settings: Settings
    title: str
    memory_bytes: int
    reserve_bytes: int
    need: Need
    largest_batch: int
    ways: tuple[Way, ...] = ()
    cards: int | None = None
    cards_at_least: int | None = None

    @property
    def available_bytes(self) -> int:
        """What may be taken."""
        return self.memory_bytes - self.reserve_bytes

    @property
    def margin_bytes(self) -> int:
        """What is left; where it is less than 0, what is missing."""
        return self.available_bytes - self.need.bytes

    @property
    def largest_is_exact(self) -> bool:
        """Whether all is known of the largest batch that fits."""
        return not self.largest_batch or self.workload.need(self.largest_batch).exact

    @property
    def verdict(self) -> Verdict:
        """Whether it fits; unknown where it does by what is known, and that is not all."""
        return self.need.verdict(self.available_bytes)

    def to_dict(self) -> dict[str, Any]:
        """The answer as `archcalc fits --json` prints it: plain lists, dicts and exact integers."""
        training = self.workload.training
        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": __version__,
            "architecture": self.workload.graph.name,
            "title": self.title,
            "settings": self.settings.to_dict(),
            "training": None if training is None else msgspec.to_builtins(training),
            "fits": {"yes": True, "no": False, "unknown": None}[self.verdict],
            "memory_bytes": self.memory_bytes,
            "reserve_bytes": self.reserve_bytes,
            "margin_bytes": self.margin_bytes,
            "need": self.need.to_dict(),
            "largest_batch": self.largest_batch,
            "largest_is_exact": self.largest_is_exact,
            "ways": [
                {
                    "options": way.options,
                    "fits": {"yes": True, "no": False, "unknown": None}[way.verdict],
                    "need": way.need.to_dict(),
                    "largest_batch": way.largest_batch,
                    "largest_is_exact": way.largest_is_exact,
                }
                for way in self.ways
            ],
            "cards": self.cards,
            "cards_at_least": self.cards_at_least,
        }


def fit(
    graph: Graph,
    memory_bytes: int,
    *,
    batch: int = 1,
    dtype: str = "float32",
    training: Training | None = None,
    reserve_bytes: int = 0,
) -> Fit:
    """Whether a network fits a memory at a batch and dtype: at inference, or where it is trained.

    Raises SettingError for a reserve that leaves nothing, and what an analysis and `training_cost` raise.

    >>> from archcalc.analysis import graph_of
    >>> found = fit(graph_of("vgg16"), 24 * 2**30, batch=512, training=Training("adam"))
    >>> found.verdict, found.largest_batch, [(way.options, way.largest_batch) for way in found.ways[:2]]
    ('no', 320, [('--batch 320', 320), ('--dtype bfloat16', 575)])
    """
    available = memory_bytes - reserve_bytes
    if available <= 0:
        raise SettingError("the reserve leaves nothing of the memory", hint="a smaller --reserve")
    workload = Workload(graph, dtype, training)
    _, report = analyze_graph(graph, batch=batch, dtype=dtype)
    need, largest = workload.need(batch), workload.largest_batch(available)
    found = Fit(workload, report.settings, report.title, memory_bytes, reserve_bytes, need, largest)
    if found.verdict == "yes":
        return found
    ways = list[Way]()
    if 0 < largest < batch:
        smaller = workload.need(largest)
        ways.append(Way(f"--batch {largest}", smaller, smaller.verdict(available), largest, smaller.exact))
    ways += [_way(options, other, batch, available) for options, other in _others(workload)]
    cards = -(-batch // largest) if 0 < largest < batch else None
    at_least = -(-workload.need(1).bytes // available) if largest == 0 else None
    return msgspec.structs.replace(found, ways=tuple(ways), cards=cards, cards_at_least=at_least)


def _way(options: str, workload: Workload, batch: int, available: int) -> Way:
    need = workload.need(batch)
    largest = workload.largest_batch(available)
    exact = not largest or workload.need(largest).exact
    return Way(options, need, need.verdict(available), largest, exact)


def _others(workload: Workload) -> list[tuple[str, Workload]]:
    """Workloads of the same network that may take less, each with the options that make it."""
    found = list[tuple[str, Workload]]()
    replace, training = msgspec.structs.replace, workload.training
    if BYTES_PER_ELEMENT[workload.dtype] >= FULL_PRECISION_BYTES:
        half = replace(workload, dtype=HALF_PRECISION)
        found.append((f"--dtype {HALF_PRECISION}", half))
        if training is not None:
            mixed = replace(half, training=replace(training, master_weights=True))
            found.append((f"--dtype {HALF_PRECISION} --master-weights", mixed))
    if training is not None and training.checkpoint == NONE and any("." in node.name for node in workload.graph.nodes):
        found.append((f"--checkpoint {BLOCKS}", replace(workload, training=replace(training, checkpoint=BLOCKS))))
    return found
