"""The specs of a repository before and after: which changed between two revisions, and what their reports say."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from archcalc.analysis import analyze
from archcalc.comparison.diff import ReportDiff, diff
from archcalc.engine.report import Report
from archcalc.errors import ArchcalcError, Problem, SpecError
from archcalc.history.git import Change, Repository
from archcalc.history.reach import dependants
from archcalc.history.snapshot import Snapshot
from archcalc.spec.catalogue import Reader, find_all, has_ending
from archcalc.spec.files import read_plain_file
from archcalc.spec.recognition import is_spec
from archcalc.spec.source import Document


class History(NamedTuple):
    """The specs that were compared, the problems of those that cannot be read now, and what else a reader must know."""

    diffs: tuple[ReportDiff, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def compared(
    repository: Repository, base: str, head: str | None = None, paths: Sequence[str] = (), **settings: Any
) -> History:
    """The specs that differ between two commits, or a commit and the work tree (no head), with their reports at each.

    A file is a spec if `paths` name it, or by its ending and what `is_spec` finds in it; one that extends a changed
    file changes with it. `settings` are those of `analyze`. Those that differ most come first.
    """
    before, after = reader_at(repository, base), read_plain_file if head is None else reader_at(repository, head)
    diffs: list[ReportDiff] = []
    problems: list[Problem] = []
    notes: list[str] = []
    named = set(map(os.path.normpath, paths))
    changes = [
        change
        for change in repository.changes(base, head)
        if any(map(has_ending, _paths(change))) or named & _paths(change)
    ]
    seen = {path for change in changes for path in _paths(change)}
    affected, unseen = dependants(repository, head, after, repository.changed_paths(base, head))
    changes += [Change("changed", path, path) for path in affected if os.path.normpath(path) not in seen]
    for change in changes:
        if paths and not any(_is_within(path, change) for path in paths):
            continue
        found_in = (path is not None and _is_spec(path, reader) for path, reader in _places(change, before, after))
        if not named & _paths(change) and not any(found_in):
            continue
        olds = _reports(change.before, before, settings)
        news = _reports(change.after, after, settings)
        if isinstance(news, ArchcalcError):
            problems += news.problems
            continue
        if isinstance(olds, ArchcalcError):
            notes.append(f"{change.before} could not be read at the base: {olds.problems[0].message}")
            olds = {}
        moved = change.before is not None and change.after is not None and change.before != change.after
        for variant in {**news, **olds}:
            suffix = f":{variant}" if variant else ""
            name = f"{change.before} → {change.after}" if moved else _path(change)
            found = diff(f"{name}{suffix}", olds.get(variant), news.get(variant))
            if found.kind != "same" or moved:
                diffs.append(found)
    notes += unseen
    ordered = sorted(diffs, key=lambda found: (-found.weight, found.name))
    return History(tuple(ordered), tuple(problems), tuple(notes))


def reader_at(repository: Repository, revision: str) -> Reader:
    """What gives the document at a path as it was at a revision; raises SpecError where it was not there."""
    snapshot = Snapshot(repository, revision)

    def read(path: str) -> Document:
        inside = repository.inside(path)
        if inside is None:
            raise SpecError([Problem(f"{path} is outside this git repository")])
        return Document(f"{path}@{revision[:10]}", snapshot.document(inside).text)

    return read


def _reports(path: str | None, reader: Reader, settings: dict[str, Any]) -> dict[str | None, Report] | ArchcalcError:
    """The report of every variant in a file, none where there is no file; or what is wrong with them."""
    if path is None:
        return {}
    reports: dict[str | None, Report] = {}
    problems: list[Problem] = []
    try:
        for variant, architecture in find_all(path, reader).items():
            try:
                reports[variant] = analyze(architecture, **settings)
            except ArchcalcError as error:
                problems += [problem for problem in error.problems if problem not in problems]
    except ArchcalcError as error:
        return error
    return ArchcalcError(problems=problems) if problems else reports


def _is_spec(path: str, reader: Reader) -> bool:
    try:
        return is_spec(reader(path), reader)
    except SpecError:
        return False


def _places(change: Change, before: Reader, after: Reader) -> tuple[tuple[str | None, Reader], ...]:
    return (change.after, after), (change.before, before)


def _is_within(path: str, change: Change) -> bool:
    wanted = os.path.normpath(path)
    return wanted == "." or any(place == wanted or place.startswith(wanted + os.sep) for place in _paths(change))


def _paths(change: Change) -> set[str]:
    return {os.path.normpath(path) for path in (change.before, change.after) if path}


def _path(change: Change) -> str:
    path = change.after or change.before
    assert path is not None
    return path
