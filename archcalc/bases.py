"""The specs as they were, which increases are measured from: in git, or in saved reports."""

import json
import os
from typing import Any, NamedTuple, Protocol

from archcalc.check import Base
from archcalc.engine import analyze
from archcalc.errors import ArchcalcError, SettingError
from archcalc.history import reader_at
from archcalc.report import Report
from archcalc.revisions import Repository
from archcalc.spec.catalogue import find_all
from archcalc.spec.files import read_file
from archcalc.spec.source import Document

HOW_TO_SAVE = "save one by `archcalc table NAME --json -o report.json`"


class Bases(Protocol):
    """Where bases come from."""

    def of(self, name: str, path: str | None, variant: str | None, settings: dict[str, Any]) -> Base:
        """The base of the architecture of this name, in the file at `path` (None: in none), at these settings."""


class SavedBases:
    """The reports in a JSON file: one of `archcalc table --json`, a list, or those under `architectures`.

    Raises SettingError where the file holds none.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.reports = _reports(file)

    def of(self, name: str, path: str | None, variant: str | None, settings: dict[str, Any]) -> Base:
        """The saved report of this architecture."""
        report = self.reports.get(name)
        return Base(report, self.file if report else f"{self.file} has no {name!r}")


class GitBases:
    """The specs at the commit where HEAD left a revision: by default, the default branch.

    Git is asked when the first base is wanted, and then once: a thousand specs would ask it thousands of times.
    """

    def __init__(self, revision: str | None = None) -> None:
        self.revision = revision
        self._start: _Start | str | None = None

    def of(self, name: str, path: str | None, variant: str | None, settings: dict[str, Any]) -> Base:
        """What `analyze` says of the file as it was; what it extends is read as it was, too."""
        if path is None:
            return Base(None, "only a file has a base in git; --compare-to takes a saved report")
        if self._start is None:
            self._start = _start(self.revision)
        if isinstance(self._start, str):
            return Base(None, self._start)
        start = self._start
        inside = os.path.normpath(os.path.relpath(path))
        before = start.renamed.get(inside, path)
        try:
            if not start.has(before):
                if not start.repository.holds(path):
                    return Base(None, f"{path} is outside of this git repository: check it from its own")
                return Base(None, f"{path} is not at {start.words}", is_new=True)
            found = find_all(before, start.document)
            if variant not in found:
                return Base(None, f"{variant or path} is not at {start.words}", is_new=True)
            return Base(analyze(found[variant], **settings), start.words)
        except ArchcalcError as error:
            return Base(None, f"at {start.words}, {error.problems[0].message}")


class _Start(NamedTuple):
    """The commit that a branch began at: the files there, and those below this folder that have changed since."""

    repository: Repository
    commit: str
    words: str
    files: frozenset[str]
    changed: frozenset[str]
    renamed: dict[str, str]

    def has(self, path: str) -> bool:
        """Whether a file was there."""
        inside = os.path.normpath(os.path.relpath(path))
        return inside in self.files or self.repository.document(path, self.commit) is not None

    def document(self, path: str) -> Document:
        """A file as it was: one that has not changed since is the one that lies here."""
        inside = os.path.normpath(os.path.relpath(path))
        if inside in self.files and inside not in self.changed:
            return read_file(path)
        return reader_at(self.repository, self.commit)(path)


def _start(revision: str | None) -> _Start | str:
    """Where HEAD left a revision; or why nobody can tell."""
    try:
        repository = Repository()
        commit = repository.merge_base(revision)
        changes = repository.changes(commit)
        files = frozenset(map(os.path.normpath, repository.files(commit)))
        is_head = commit == repository.commit("HEAD")
    except SettingError as error:
        problem = error.problems[0]
        return f"{problem.message}: {problem.hint}" if problem.hint else problem.message
    paths = (path for change in changes for path in (change.before, change.after) if path)
    renamed = {c.after: c.before for c in changes if c.status == "renamed" and c.after and c.before}
    words = f"base {commit[:10]}" + (", which is HEAD" if is_head else "")
    return _Start(repository, commit, words, files, frozenset(map(os.path.normpath, paths)), renamed)


def _reports(file: str) -> dict[str, Report]:
    try:
        whole = json.loads(read_file(file).text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{file} is not JSON: {error}", hint=HOW_TO_SAVE) from None
    if isinstance(whole, dict) and isinstance(whole.get("architectures"), list):
        whole = whole["architectures"]
    reports: dict[str, Report] = {}
    for data in whole if isinstance(whole, list) else [whole]:
        try:
            report = Report.from_dict(data)
        except SettingError as error:
            raise SettingError(f"{file}: {error.problems[0].message}", hint=HOW_TO_SAVE) from None
        if report.architecture in reports:
            raise SettingError(f"{file} holds {report.architecture!r} twice", hint="each architecture once")
        reports[report.architecture] = report
    if not reports:
        raise SettingError(f"{file} holds no report", hint=HOW_TO_SAVE)
    return reports
