"""Where a branch began: for each spec of the work tree, what it was at that commit, under whatever path or name."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from archcalc.errors import Problem, SpecError
from archcalc.history.changed_specs import ChangedSpecs, sketch
from archcalc.history.git import Repository, absolute
from archcalc.history.pairing import Pairs, Sketches, Spec, pair
from archcalc.history.snapshot import Snapshot
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import find_all

_UNWATCHED = "git does not track (ignored, in another repository, or marked to be skipped)"


class Before(NamedTuple):
    """An architecture as it was, and in words, where; `was` is where if that was only found by comparing."""

    architecture: Architecture
    words: str
    now: Spec
    was: Spec | None = None


class Doubt(NamedTuple):
    """That an architecture may be any of these that are gone, or none of them, and whether they had limits."""

    now: Spec
    candidates: list[Spec]
    had_limits: bool


class BranchPoint:
    """The commit at which a branch of a repository, given at its root, began.

    `declared` says of architectures that are not at it what they were, None for those that are new. Raises
    SettingError where git does not have the commit's files.
    """

    def __init__(self, repository: Repository, commit: str, declared: Mapping[Spec, Spec | None]) -> None:
        self.repository, self.declared = repository, declared
        self.snapshot = Snapshot(repository, commit)
        self.changed = ChangedSpecs(self.snapshot)
        self.words = f"base {commit[:10]}" + (", which is HEAD" if commit == repository.commit("HEAD") else "")

    def before(self, path: str, variant: str | None) -> Before | Doubt | None:
        """What the architecture in the file at this path was; None where it is new.

        Raises SpecError if that cannot be determined, or if the file could not be read at this commit.
        """
        inside, real = self.repository.inside(absolute(path)), self.repository.inside(os.path.realpath(path))
        names = [name for name in (inside, real) if name is not None]
        file = next(filter(self.snapshot.has, names), None)
        if file is not None:
            found = find_all(file, self.snapshot.document)
            if variant in found:
                words = self.words if file == inside else f"{self.words}, there {file}"
                return Before(found[variant], words, Spec(names[0], variant))
        elif real is None:
            raise SpecError([Problem(f"{inside} does not exist there, and is now a link out of the repository")])
        elif real not in self.repository.watched:
            leads = "is a file that" if real == inside else f"links to {real}, which"
            raise SpecError([Problem(f"{inside} does not exist there, and now {leads} {_UNWATCHED}")])
        linked = Spec(names[-1], variant)
        return self._otherwise(linked if linked in self.changed.came else Spec(file or names[-1], variant), path)

    def _otherwise(self, now: Spec, path: str) -> Before | Doubt | None:
        """What an architecture was whose own name was not there."""
        pairs = self._pairs
        if now not in self.changed.came:  # where a file became a link, or its ending is none that specs have
            here = {now: sketch(find_all(path).get(now.variant))}
            pairs = self._paired({**self.changed.came, **here}, self.changed.gone)
        if now in pairs.doubtful:
            candidates = pairs.doubtful[now]
            return Doubt(now, candidates, not self.changed.limited.isdisjoint(candidates))
        was = pairs.certain.get(now)
        if was is None:
            return None
        found = find_all(was.path, self.snapshot.document)
        if was.variant not in found:
            raise SpecError([Problem(f"{now} has the baseline {was}, which does not exist there")])
        return Before(found[was.variant], f"{self.words}, there {was}", now, None if now in self.declared else was)

    @cached_property
    def _pairs(self) -> Pairs:
        return self._paired(self.changed.came, self.changed.gone)

    def _paired(self, came: Sketches, gone: Sketches) -> Pairs:
        """The declared pairs, and those found among all others."""
        declared = {new: old for new, old in self.declared.items() if new in came}
        found = pair(
            {new: sketch for new, sketch in came.items() if new not in declared},
            {old: sketch for old, sketch in gone.items() if old not in declared.values()},
        )
        return found._replace(certain=found.certain | {new: old for new, old in declared.items() if old})
