"""The specs as they were, which increases are measured from: in git, or in saved reports."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from archcalc.analysis import analyze
from archcalc.budget import budget_of
from archcalc.engine.report import Report
from archcalc.engine.saved_report import HOW_TO_SAVE, report_of
from archcalc.errors import ArchcalcError, SettingError
from archcalc.gate.config import NEW, Config
from archcalc.gate.judge import Baseline
from archcalc.history.branch_point import BranchPoint, Doubt
from archcalc.history.git import Repository, absolute
from archcalc.history.pairing import Spec
from archcalc.spec.evaluation import some
from archcalc.spec.files import read_file

T = TypeVar("T")
NO_CONFIG = Config()
MAX_DIGITS = 100
"""What no figure of a report exceeds: sizes and batches are at most 10^18."""


class Baselines(Protocol):
    """Where baselines come from."""

    def of(self, report: Report, path: str | None, variant: str | None, settings: dict[str, Any]) -> Baseline:
        """The base of an architecture by its report, the file at `path` that it is in (None: in none), and settings."""


class SavedBaselines:
    """The reports in a JSON file: one of `archcalc table --json`, a list, or those under `architectures`.

    Raises SettingError where the file holds none.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.reports = _reports(file)
        self._owners: dict[str, tuple[tuple[str | None, str | None], str]] = {}

    def of(self, report: Report, path: str | None, variant: str | None, settings: dict[str, Any]) -> Baseline:
        """The saved report of the architecture of this name, if that is the only one of the name, on the same input."""
        name = report.architecture
        saved = self.reports.get(name)
        if saved is None:
            return Baseline(None, f"{self.file} has no {name!r}")
        one = os.path.realpath(path) if path else None, variant
        owner = self._owners.setdefault(name, (one, path or name))
        if owner[0] != one:
            return Baseline(None, f"{self.file} has only one {name!r}, the base of {owner[1]}")
        for words in saved.settings.differences(report.settings).values():
            return Baseline(None, f"{self.file} was computed at {words}: use the same for both")
        return Baseline(saved, self.file)


class GitBaselines:
    """The specs at the commit where HEAD left a revision: by default, the default branch.

    Wherever the command runs, a file's base is that from the root of its repository. Git is asked when the first base
    is wanted, and then once: a thousand specs would ask it thousands of times. `config` says of specs that are not at
    the commit what they were.
    """

    def __init__(self, revision: str | None = None, config: Config = NO_CONFIG) -> None:
        self.revision, self.config = revision, config
        self._repositories: dict[str, Repository | SettingError] = {}
        self._points: dict[str, BranchPoint | SettingError] = {}

    def of(self, report: Report, path: str | None, variant: str | None, settings: dict[str, Any]) -> Baseline:
        """What `analyze` says of the file as it was; what it extends is read as it was, too."""
        if path is None:
            return Baseline(None, "only a file has a base in git; use --compare-to with a saved report")
        try:
            point = self._point(self._repository(path))
        except SettingError as error:
            problem = error.problems[0]
            return Baseline(None, f"{problem.message}: {problem.hint}" if problem.hint else problem.message)
        try:
            found = point.before(path, variant)
            if found is None:
                return Baseline(
                    None, f"{f'{path}:{variant}' if variant else path} does not exist at {point.words}", is_new=True
                )
            if isinstance(found, Doubt):
                return _unknown(found, point.words)
            report = analyze(found.architecture, **settings)
            hint = f"if it was not {found.was}, {_say_so(found.now, NEW)}" if found.was else None
            return Baseline(report, found.words, budget=budget_of(found.architecture), hint=hint)
        except ArchcalcError as error:
            return Baseline(None, f"at {point.words}, {error.problems[0].message}")

    def _repository(self, path: str) -> Repository:
        """That of this folder where the file lies in it; else the nearest around the file, but never a submodule's."""
        whole = absolute(path)
        elsewhere: SettingError | None = None
        try:
            here = self._whole(os.curdir)
            if here.inside(whole) is not None:
                return here
        except SettingError as error:
            elsewhere = error
        for folder in (*Path(whole).parents, *Path(os.path.realpath(whole)).parents):
            if os.path.lexists(folder / ".git"):
                return self._whole(os.fspath(folder))
        raise elsewhere or SettingError(f"{path} is not in a git repository")

    def _whole(self, folder: str) -> Repository:
        """That of a folder, or of a submodule's folder the one that it is part of."""
        found = self._at(folder)
        return self._at(found.superproject) if found.superproject else found

    def _at(self, folder: str) -> Repository:
        return _kept(self._repositories, folder, lambda: Repository(Repository(folder).root))

    def _point(self, repository: Repository) -> BranchPoint:
        def point() -> BranchPoint:
            return BranchPoint(repository, repository.merge_base(self.revision), self._declared(repository))

        return _kept(self._points, repository.root, point)

    def _declared(self, repository: Repository) -> dict[Spec, Spec | None]:
        """What the configuration says of specs in a repository."""
        found = {}
        for one in self.config.baselines:
            new = repository.inside(os.path.realpath(self.config.located(one.path)))
            old = repository.inside(absolute(self.config.located(one.was[0]))) if one.was else None
            if new is not None and (old is not None or one.was is None):
                found[Spec(new, one.variant)] = Spec(old, one.was[1]) if old is not None and one.was else None
        return found


def _unknown(doubt: Doubt, words: str) -> Baseline:
    old = doubt.candidates
    gone = f"{old[0]}, which was removed" if len(old) == 1 else f"one of {some(map(str, old))}, which were removed"
    hint = f'{_say_so(doubt.now, str(old[0]))}, or = "{NEW}"'
    message = f"{doubt.now} does not exist at {words}, and may have been {gone}"
    return Baseline(None, message, hint=hint, had_limits=doubt.had_limits)


def _say_so(now: Spec, was: str) -> str:
    return f'write in the configuration, under [baselines]: "{now}" = "{was}"'


def _kept(known: dict[str, T | SettingError], key: str, make: Callable[[], T]) -> T:
    """What is made once for a key, be it an error."""
    if key not in known:
        try:
            known[key] = make()
        except SettingError as error:
            known[key] = error
    found = known[key]
    if isinstance(found, SettingError):
        raise found
    return found


def _reports(file: str) -> dict[str, Report]:
    reports: dict[str, Report] = {}
    for report in read_reports(file):
        if report.architecture in reports:
            raise SettingError(f"{file} has two reports of {report.architecture!r}", hint="keep one of them")
        reports[report.architecture] = report
    return reports


def read_reports(file: str) -> list[Report]:
    """The reports in a JSON file: one of `archcalc table --json`, a list, or those under `architectures`.

    Raises SettingError where it holds none, or one that cannot be read.
    """
    whole = _json(file, read_file(file).text)
    if isinstance(whole, dict) and isinstance(whole.get("architectures"), list):
        whole = whole["architectures"]
    try:
        reports = [report_of(data) for data in (whole if isinstance(whole, list) else [whole])]
    except SettingError as error:
        problem = error.problems[0]
        raise SettingError(f"{file}: {problem.message}", hint=problem.hint or HOW_TO_SAVE) from None
    if not reports:
        raise SettingError(f"{file} contains no report", hint=HOW_TO_SAVE)
    return reports


def _json(file: str, text: str) -> Any:
    try:
        whole = json.loads(text, parse_int=_bounded)
        json.dumps(whole, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise SettingError(f"{file} is not JSON: {half} is an unpaired surrogate", hint=HOW_TO_SAVE) from None
    except json.JSONDecodeError as error:
        message = f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}"
        raise SettingError(message, hint=HOW_TO_SAVE) from None
    except OverflowError:
        raise SettingError(f"{file}: a number of more than {MAX_DIGITS} digits", hint=HOW_TO_SAVE) from None
    except RecursionError:
        raise SettingError(f"{file} is not JSON that archcalc wrote: nested too deep", hint=HOW_TO_SAVE) from None
    return whole


def _bounded(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise OverflowError
    return int(digits)
