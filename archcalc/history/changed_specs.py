"""Which architectures came since a commit, and which are gone, whatever git takes for a rename."""

import os
from functools import cached_property
from typing import TypeAlias

from archcalc.analysis import graph_of
from archcalc.budget import budget_of
from archcalc.errors import ArchcalcError, SpecError
from archcalc.history.git import Change
from archcalc.history.pairing import Sketch, Sketches, Spec
from archcalc.history.snapshot import Snapshot
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import Reader, find_all, has_ending
from archcalc.spec.files import read_file, read_plain_file
from archcalc.spec.recognition import is_spec

_KEY = "layers|extends"

Variants: TypeAlias = dict[str | None, Architecture | None]
"""The architectures of a file by variant, None if it cannot be read; empty for a file that is not a spec."""


class ChangedSpecs:
    """The architectures of a snapshot and of its repository's work tree that are not in both under the same name."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot, self.repository = snapshot, snapshot.repository

    @cached_property
    def came(self) -> Sketches:
        """Those in files that git watches; links aside, which add no network."""
        found: dict[Spec, Sketch | None] = {}
        for path in dict.fromkeys(change.after for change in self._changes if change.after):
            if has_ending(path) and not os.path.islink(self._whole(path)):
                found |= _without(self._now(path), self._before(path), path)
        return found

    @cached_property
    def gone(self) -> Sketches:
        """Those in files that are gone or no longer hold them: a stub or a decoy in its place is no spec."""
        found: dict[Spec, Sketch | None] = {}
        for path in self._suspects:
            before = self._before(path)
            if before and (not self.snapshot.is_link(path) or None in before.values()):
                found |= _without(before, self._now(path), path)
        return found

    @cached_property
    def limited(self) -> frozenset[Spec]:
        """Those of `gone` that may have had limits of their own."""
        files = {path: self._before(path) for path in {spec.path for spec in self.gone}}
        found = ((spec, files[spec.path][spec.variant]) for spec in self.gone)
        return frozenset(spec for spec, one in found if one is None or budget_of(one).limits)

    @cached_property
    def _changes(self) -> list[Change]:
        return self.repository.changes(self.snapshot.commit)

    @cached_property
    def _suspects(self) -> list[str]:
        """The files of the snapshot that have changed, by git's account, or that it is told to skip.

        Few files with other endings than those of specs are worth a look: those that lost or got a key of specs.
        """
        unseen = self.repository.left_alone
        if self.repository.is_sparse:
            unseen = frozenset(path for path in unseen if os.path.lexists(self._whole(path)))
        changed = {change.before for change in self._changes if change.before and has_ending(change.before)}
        return sorted(unseen | changed | set(self.repository.changes_of(_KEY, self.snapshot.commit)))

    def _before(self, path: str) -> Variants:
        try:
            return _variants(path, self.snapshot.document, self.snapshot.document) if self.snapshot.has(path) else {}
        except SpecError:
            return {None: None}  # behind a link, where it cannot be determined

    def _now(self, path: str) -> Variants:
        """What git would commit: of a file that cannot be read, nothing."""
        real = self.repository.inside(os.path.realpath(self._whole(path)))
        if real is None or real not in self.repository.watched | self.repository.left_alone:
            return {}
        found = _variants(self._whole(path), read_file, read_plain_file)
        return {variant: architecture for variant, architecture in found.items() if architecture is not None}

    def _whole(self, path: str) -> str:
        return os.path.join(self.repository.root, path)


def sketch(architecture: Architecture | None) -> Sketch | None:
    """The sketch of an architecture at its own input and vars; None where it cannot be expanded."""
    try:
        return None if architecture is None else Sketch.of(graph_of(architecture))
    except ArchcalcError:
        return None


def _without(some: Variants, others: Variants, path: str) -> dict[Spec, Sketch | None]:
    """The sketches of a file's architectures whose variants are not among others."""
    return {Spec(path, variant): sketch(one) for variant, one in some.items() if variant not in others}


def _variants(path: str, reader: Reader, extended: Reader) -> Variants:
    try:
        if not is_spec(reader(path), extended):
            return {}
    except SpecError:
        return {}  # no text
    try:
        return {**find_all(path, reader)}
    except SpecError:
        return {None: None}
