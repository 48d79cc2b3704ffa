"""Where a branch began: for each spec of the work tree, what it was at that commit, under whatever path or name."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from archcalc.errors import Problem, SpecError
from archcalc.history.git import Change, Repository, absolute
from archcalc.history.snapshot import Snapshot
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import ENDINGS, find_all
from archcalc.spec.files import read_file
from archcalc.spec.recognition import is_spec
from archcalc.spec.source import Document, MappingNode, Scalar, SequenceNode, Tree, parse

_ALIKE = 0.75
"""The share of their words from which a file that is gone and one that came are the same: only siblings share more."""
_WORDY = {"name", "title", "source", "budget"}
"""The keys of a spec that say nothing of its network."""
_UNWATCHED = "git does not watch (ignored, in a repository of its own, or marked to be left alone)"


class Before(NamedTuple):
    """An architecture as it was, and in words, where."""

    architecture: Architecture
    words: str


class BranchPoint:
    """The commit at which a branch of a repository, given at its root, began.

    Raises SettingError where git does not have the commit's files.
    """

    def __init__(self, repository: Repository, commit: str) -> None:
        self.repository = repository
        self.snapshot = Snapshot(repository, commit)
        self.words = f"base {commit[:10]}" + (", which is HEAD" if commit == repository.commit("HEAD") else "")

    def before(self, path: str, variant: str | None) -> Before | None:
        """What the architecture in the file at this path was; None where it is new.

        A variant that came when one other went is that one. Raises SpecError where nobody can tell, and where the file
        could not be read at this commit.
        """
        inside = self.repository.inside(absolute(path))
        file = self._file(path, inside)
        if file is None:
            return None
        words = self.words if file == inside else f"{self.words}, there {file}"
        found = find_all(file, self.snapshot.document)
        if variant in found:
            return Before(found[variant], words)
        now = find_all(path)
        gone = [name for name in found if name not in now]
        if not gone:
            return None
        if len(gone) > 1:
            told = f"of its variants {', '.join(map(str, gone))} are gone"
            raise SpecError([Problem(f"{file} has no {variant or 'single architecture'}, and {told}: it may be any")])
        return Before(found[gone[0]], f"{words}, there {gone[0]}" if gone[0] else words)

    def _file(self, path: str, inside: str | None) -> str | None:
        """The path that a file had, by the path that it has, or by that of the file that links make of it."""
        real = self.repository.inside(os.path.realpath(path))
        names = [name for name in (inside, real) if name is not None]
        for name in names:
            if self.snapshot.has(name):
                return name
            if name in self._renamed:
                return self._renamed[name]
        if real is None:
            raise SpecError([Problem(f"{inside} is not there, and now leads out of the repository")])
        if real not in self.repository.watched:
            leads = "it is a file" if real == inside else f"it leads to {real}"
            raise SpecError([Problem(f"{inside} is not there, and now {leads} that {_UNWATCHED}")])
        return self._likeliest(path, {_stem(name) for name in names})

    def _likeliest(self, path: str, stems: set[str]) -> str | None:
        """The spec that is gone, and that has the same name but for case and ending, or much the same words."""
        ours = _words(read_file(path))
        ranked = [(_stem(gone) in stems, _likeness(ours, words), gone) for gone, words in self._gone.items()]
        same, likeness, gone = max(ranked, default=(False, 0.0, ""))
        return gone if same or likeness >= _ALIKE else None

    @cached_property
    def _changes(self) -> list[Change]:
        return self.repository.changes(self.snapshot.commit)

    @cached_property
    def _renamed(self) -> dict[str, str]:
        return {c.after: c.before for c in self._changes if c.status == "renamed" and c.after and c.before}

    @cached_property
    def _gone(self) -> dict[str, Counter[str]]:
        """The specs that no spec of now is or, by git's account, has come from, with their words."""
        found = {}
        changed = {c.before: c.after for c in self._changes if c.before}
        for path in self.snapshot.paths:
            if not path.lower().endswith(ENDINGS) or path in self.repository.left_alone:
                continue
            if self._is_still_one(changed.get(path, path), is_changed=path in changed):
                continue
            try:
                found[path] = _words(self.snapshot.document(path))
            except SpecError:
                continue  # no text, or a link that leads nowhere
        return found

    def _is_still_one(self, path: str | None, *, is_changed: bool) -> bool:
        """Whether a file that was a spec is still there as one: a stub or a decoy in its place is none."""
        there = path and os.path.join(self.repository.root, path)
        if not there or not there.lower().endswith(ENDINGS) or not os.path.isfile(there):
            return False
        try:
            return not is_changed or is_spec(read_file(there))
        except SpecError:
            return False


def _stem(path: str) -> str:
    return os.path.splitext(path)[0].casefold()


def _words(document: Document) -> Counter[str]:
    """The words of what a spec says of a network: neither comments nor titles, which cost nothing to change."""
    try:
        tree, _ = parse(document)
    except SpecError:
        return Counter(re.findall(r"\w+", document.text))
    items = tree.items if isinstance(tree, MappingNode) else {}
    return Counter(word for key, part in items.items() if key not in _WORDY for word in _words_of(part))


def _words_of(tree: Tree) -> Iterator[str]:
    if isinstance(tree, Scalar):
        yield from re.findall(r"\w+", tree.text)
    elif isinstance(tree, MappingNode):
        for key, part in tree.items.items():
            yield key
            yield from _words_of(part)
    elif isinstance(tree, SequenceNode):
        for part in tree.items:
            yield from _words_of(part)


def _likeness(ours: Counter[str], theirs: Counter[str]) -> float:
    both = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / both if both else 0.0
