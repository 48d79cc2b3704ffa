"""Devices: how much memory they have, how fast they read it and multiply, and how sure each of these values is."""

import functools
import importlib.resources
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from archcalc.errors import Problem, SettingError, did_you_mean
from archcalc.spec.entry import Note
from archcalc.spec.source import Document, MappingNode, Scalar, SequenceNode, Tree, problem_at
from archcalc.spec.toml import parsed_toml, tree_of
from archcalc.units import Measure, parse_percent, parse_quantity

if TYPE_CHECKING:
    from fractions import Fraction

SHIPPED = "devices.toml"
GIVEN = "given"
CERTAINTIES = {
    "agree": "several sources agree",
    "one": "one source",
    "conflict": "sources differ",
    "computed": "computed",
    GIVEN: "given by the configuration",
}
"""How sure a value is, in words; `computed` is units times rate times clock, where no source gives the product."""
PEAKS = ("float64", "float32", "tf32", "float16", "bfloat16", "float8", "int8")
"""What a device may multiply in."""
KEYS = {
    "title": "what it is called",
    "vendor": "who makes it",
    "kind": "gpu, cpu, npu, tpu or soc",
    "released": "year and month",
    "memory": "bytes, such as 24GiB",
    "memory-reported": "the bytes that its driver reports",
    "bandwidth": "bytes a second, such as 1008GB/s",
    "peak": "for each dtype, dense operations a second, a multiply-add being two, such as {float16 = 165T}",
    "matmul-share": "for each dtype, what large products reach of the peak, such as {bfloat16 = 80%}",
    "sources": "where the values are from",
    "note": "what is to be known besides",
}
VALUE_KEYS = ("value", "certainty", "note")


class Fact(msgspec.Struct, frozen=True):
    """A value: bytes, bytes a second or operations a second, how sure it is, and what other sources say."""

    value: int
    certainty: str = GIVEN
    note: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether no two sources agree on it."""
        return self.certainty not in ("agree", GIVEN)

    @property
    def doubt(self) -> str:
        """How sure it is, in words, with the note."""
        return f"{CERTAINTIES[self.certainty]}{f': {self.note}' if self.note else ''}"


class Device(msgspec.Struct, frozen=True):
    """A device; None and what is not in `peak` are unknown. `is_own` of one that a configuration holds.

    Peaks are those of dense products, in operations a second, of which a multiply-add is two. `matmul_share` is what
    large products were measured to reach of them. Sources are in words.
    """

    name: str
    title: str
    vendor: str = ""
    kind: str = ""
    released: str = ""
    memory: Fact | None = None
    memory_reported: Fact | None = None
    bandwidth: Fact | None = None
    peak: dict[str, Fact] = {}
    matmul_share: "dict[str, Fraction]" = {}
    sources: tuple[str, ...] = ()
    note: str = ""
    is_own: bool = False

    @property
    def usable_bytes(self) -> int | None:
        """What its driver reports where that is known, else what its label says; None where neither is.

        >>> t4 = shipped_devices()["t4"]
        >>> t4.memory.value, t4.usable_bytes
        (17179869184, 16106127360)
        """
        known = [fact.value for fact in (self.memory, self.memory_reported) if fact is not None]
        return min(known, default=None)

    def peak_of(self, dtype: str) -> Fact:
        """The peak of a dtype; raises SettingError where it is unknown.

        >>> shipped_devices()["rtx4090"].peak_of("float16").value
        165200000000000
        """
        if dtype not in self.peak:
            known = f"known of it: {', '.join(self.peak)}" if self.peak else "none is known of it"
            raise SettingError(f"the peak of {self.name} in {dtype} is not known", hint=known)
        return self.peak[dtype]

    def to_dict(self) -> dict[str, Any]:
        """The device as `archcalc devices --json` prints it: bytes, bytes a second, operations a second."""
        facts = ("memory", "memory_reported", "bandwidth")
        return {
            **{name: getattr(self, name) for name in ("name", "title", "vendor", "kind", "released")},
            **{name: _plain(getattr(self, name)) for name in facts},
            "peak": {dtype: _plain(fact) for dtype, fact in self.peak.items()},
            "matmul_share": {dtype: float(share) for dtype, share in self.matmul_share.items()},
            "sources": list(self.sources),
            "note": self.note,
            "is_own": self.is_own,
        }


def _plain(fact: Fact | None) -> dict[str, Any] | None:
    return None if fact is None else msgspec.structs.asdict(fact)


@functools.cache
def shipped_devices() -> dict[str, Device]:
    """The devices that archcalc ships, by their names."""
    text = importlib.resources.files("archcalc.hardware").joinpath(SHIPPED).read_text(encoding="utf-8")
    document = Document(SHIPPED, text)
    tree = tree_of(document, parsed_toml(document))
    assert isinstance(tree, MappingNode)
    problems: list[Problem] = []

    def note(where: Tree, message: str, hint: str | None = None) -> None:
        problems.append(problem_at(where, message, hint))

    sources = tree.items["sources"]
    assert isinstance(sources, MappingNode)
    words = {key: value.text for key, value in sources.items.items() if isinstance(value, Scalar)}
    found = dict(read_devices(tree.items["devices"], note, words))
    if problems:
        raise SettingError(problems=problems)
    return found


def device_named(name: str, own: Mapping[str, Device] | None = None) -> Device:
    """The device of this name, one of `own` before those that are shipped.

    Raises SettingError, which names the nearest ones, where there is none.

    >>> device_named("rtx4090").memory.value == 24 * 2**30
    True
    """
    known = {**shipped_devices(), **(own or {})}
    key = name.strip().lower()
    if key not in known:
        titles = {re.sub(r"\W", "", device.title.lower()): device.name for device in known.values()}
        near = [one for title, one in titles.items() if re.sub(r"\W", "", key) in title and len(key) > 1]
        hint = f"did you mean {' or '.join(near[:3])}?" if near else did_you_mean(key, known)
        raise SettingError(f"unknown device {name!r}", hint=hint or "`archcalc devices` lists those that are known")
    return known[key]


def read_devices(
    tree: Tree, note: Note, sources: Mapping[str, str] | None = None, *, are_own: bool = False
) -> Iterator[tuple[str, Device]]:
    """The devices of a table of them, by their names; `sources` are what the short names of sources stand for."""
    if not isinstance(tree, MappingNode):
        note(tree, "devices must be a table of devices", 'such as [devices.my-card] memory = "24GiB"')
        return
    for name, value in tree.items.items():
        place = tree.keys[name]
        if name != name.strip().lower() or not name:
            note(place, f"the name of device {name!r} must be in small letters", f"such as {name.strip().lower()}")
        elif not isinstance(value, MappingNode):
            note(place, f"device {name} must be a table", 'such as {memory = "24GiB"}')
        else:
            yield name, _device(name, value, note, sources or {}, are_own)


def _device(name: str, tree: MappingNode, note: Note, sources: Mapping[str, str], is_own: bool) -> Device:
    for key, place in tree.keys.items():
        if key not in KEYS:
            note(place, f"device {name}: unknown key {key!r}", did_you_mean(key, KEYS, f"keys: {', '.join(KEYS)}"))

    def words(key: str) -> str:
        value = tree.items.get(key)
        if value is not None and not isinstance(value, Scalar):
            note(value, f"device {name}: {key} must be a text")
        return value.text if isinstance(value, Scalar) else ""

    def fact(key: str, measure: Measure = "bytes") -> Fact | None:
        value = tree.items.get(key)
        return None if value is None else _fact(f"device {name}: {key}", value, measure, note)

    peaks = {dtype: _fact(where, value, "count", note) for dtype, where, value in _by_dtype(name, "peak", tree, note)}
    shares = {dtype: _share(where, value, note) for dtype, where, value in _by_dtype(name, "matmul-share", tree, note)}
    listed = tree.items.get("sources")
    if listed is not None and not isinstance(listed, SequenceNode):
        note(listed, f"device {name}: sources must be a list of texts")
    cited = listed.items if isinstance(listed, SequenceNode) else []
    return Device(
        name=name,
        title=words("title") or name,
        vendor=words("vendor"),
        kind=words("kind"),
        released=words("released"),
        memory=fact("memory"),
        memory_reported=fact("memory-reported"),
        bandwidth=fact("bandwidth"),
        peak={dtype: peak for dtype, peak in peaks.items() if peak is not None},
        matmul_share={dtype: share for dtype, share in shares.items() if share is not None},
        sources=tuple([sources.get(one.text, one.text) for one in cited if isinstance(one, Scalar)]),
        note=words("note"),
        is_own=is_own,
    )


def _by_dtype(name: str, key: str, tree: MappingNode, note: Note) -> Iterator[tuple[str, str, Tree]]:
    """For each dtype in a table by dtypes, what it is called in messages, and its value."""
    table = tree.items.get(key)
    if table is None:
        return
    if not isinstance(table, MappingNode):
        note(table, f"device {name}: {key} must be a table by dtype", f"{key}: {KEYS[key]}")
        return
    for dtype, value in table.items.items():
        if dtype in PEAKS:
            yield dtype, f"device {name}: {key} of {dtype}", value
        else:
            hint = did_you_mean(dtype, PEAKS, f"dtypes: {', '.join(PEAKS)}")
            note(table.keys[dtype], f"device {name}: unknown dtype {dtype!r}", hint)


def _fact(where: str, tree: Tree, measure: Measure, note: Note) -> Fact | None:
    """A value, or a table of a value, its certainty and a note; None, and a note, where it is neither."""
    certainty, words, value = GIVEN, "", tree
    if isinstance(tree, MappingNode):
        for key, place in tree.keys.items():
            if key not in VALUE_KEYS:
                note(place, f"{where}: unknown key {key!r}", did_you_mean(key, VALUE_KEYS, "value, certainty or note"))
        value = tree.items.get("value", tree)
        sure, said = tree.items.get("certainty"), tree.items.get("note")
        if isinstance(sure, Scalar) and sure.text not in CERTAINTIES:
            note(sure, f"{where}: unknown certainty {sure.text!r}", f"one of {', '.join(CERTAINTIES)}")
        certainty = sure.text if isinstance(sure, Scalar) else GIVEN
        words = said.text if isinstance(said, Scalar) else ""
    example = "24GiB" if measure == "bytes" else "165T"
    if not isinstance(value, Scalar) or isinstance(value.value, bool):
        note(value, f"{where} must be a quantity", f'such as "{example}"')
        return None
    try:
        quantity = parse_quantity(value.text.removesuffix("/s").removesuffix("FLOPS"), measure)
    except SettingError as error:
        note(value, f"{where}: {error.problems[0].message}", error.problems[0].hint)
        return None
    if quantity.denominator != 1 or quantity < 1:
        note(value, f"{where} must be a whole number ≥ 1 of {'bytes' if measure == 'bytes' else 'operations'}")
        return None
    return Fact(int(quantity), certainty, words)


def _share(where: str, tree: Tree, note: Note) -> "Fraction | None":
    try:
        share = parse_percent(tree.text if isinstance(tree, Scalar) else "")
    except SettingError as error:
        note(tree, f"{where} must be a percentage", error.problems[0].hint)
        return None
    if not 0 < share <= 1:
        note(tree, f"{where} must be more than 0 and at most 100%")
        return None
    return share
