"""`archcalc check` spec by spec: merges budgets of several sources, finds the base, and judges."""

import os
from collections.abc import Iterator, Sequence

import msgspec

from archcalc.analysis import analyze_graph
from archcalc.budget import NO_BUDGET, Budget, budget_of
from archcalc.errors import ArchcalcError, Location, Problem, SpecError
from archcalc.gate.baselines import Baselines
from archcalc.gate.config import Config, Pattern
from archcalc.gate.judge import Baseline, Checked, Finding, Place, check, missing_limits, unknown_counts
from archcalc.gate.rules import INTERNAL_ERROR, INVALID_SPEC
from archcalc.gate.subjects import STANDARD_INPUT, Subject
from archcalc.graph import Graph
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import find, find_all
from archcalc.spec.source import Document


class Gate:
    """Checks subjects by the budgets of the configuration, the specs and the command line, each before those after it.

    `given` is what the command line says, with `require_budget` that every spec must have a limit, as the configuration
    may say, too. `compare_budgets` looks for limits that the spec had at its base.
    """

    def __init__(
        self,
        config: Config,
        given: Budget,
        baselines: Baselines,
        *,
        require_budget: bool = False,
        compare_budgets: bool = False,
    ) -> None:
        self.given, self.baselines = given, baselines
        self.require_budget = require_budget or config.require_budget
        self.compare_budgets = compare_budgets
        self._configured: tuple[dict[str, list[Pattern]], ...] = ({}, {}, {})
        for path, patterns in config.budgets().items():
            for known, name in zip(self._configured, _names(path), strict=True):
                known.setdefault(name, []).extend(patterns)

    def check(self, subject: Subject) -> Iterator[Checked]:
        """The subject after its check, each of its variants by itself."""
        try:
            architectures = self._architectures(subject)
        except SpecError as error:
            yield Checked(subject.name, subject.path or subject.name, findings=_invalid(error, subject))
            return
        seen: set[Problem] = set()
        for variant, architecture in architectures:
            name = subject.name if variant in (None, subject.variant) else f"{subject.name}:{variant}"
            path = _shown_path(subject, architecture)
            try:
                yield self._checked(name, path, subject, variant, architecture)
            except ArchcalcError as error:
                new = [problem for problem in error.problems if problem not in seen]
                seen.update(new)
                yield Checked(name, path, findings=_invalid(SpecError(new), subject) if new else ())
            except Exception as error:
                if os.environ.get("ARCHCALC_TRACEBACK"):
                    raise
                message = f"internal error: {type(error).__name__}: {error}"
                hint = "this is a bug in archcalc: please report it with the spec and the command"
                finding = Finding(INTERNAL_ERROR, message, Location(path, 1, 1), hint)
                yield Checked(name, path, findings=(finding,))

    def _architectures(self, subject: Subject) -> list[tuple[str | None, Architecture]]:
        if subject.path is None:
            return [(None, find(subject.name))]
        if subject.variant is not None:
            return [(subject.variant, find(f"{subject.path}:{subject.variant}"))]
        return list(find_all(subject.path).items())

    def _patterns(self, path: str) -> list[Pattern]:
        """The patterns that match a path, or else the file that links make of it."""
        names = zip(self._configured, _names(path), strict=True)
        return next((known[name] for known, name in names if name in known), [])

    def _checked(
        self, name: str, path: str, subject: Subject, variant: str | None, architecture: Architecture
    ) -> Checked:
        budget = NO_BUDGET
        for pattern in self._patterns(subject.path) if subject.path else ():
            if pattern.variant in (None, variant):
                budget = budget.overridden_by(pattern.budget)
        budget = budget.overridden_by(budget_of(architecture)).overridden_by(self.given)
        settings = dict(budget.settings)
        graph, report = analyze_graph(architecture, **settings)
        file = None if subject.path == "-" else subject.path
        needs_base = budget.is_relative or (self.compare_budgets and file is not None)
        base = self.baselines.of(report, file, variant, settings) if needs_base else Baseline()
        place = _places(graph, architecture.document)
        judgements = check(report, budget, base, place)
        unknown = None if budget.allow_unknown else unknown_counts(report, place)
        compared = needs_base and (self.compare_budgets or base.report is not None)
        missing = missing_limits(budget, base if compared else None, required=self.require_budget)
        findings = [unknown, *missing, *(judgement.finding for judgement in judgements)]
        placed = tuple(_placed(finding, architecture.document) for finding in findings if finding is not None)
        return Checked(name, path, report, judgements, placed, base.words if budget.is_relative else "")


def _names(path: str) -> tuple[str, str, str]:
    """A path as it is given, with the links before its last part followed, and with all of them followed."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(folder, name), os.path.join(os.path.realpath(folder), name), os.path.realpath(path)


def exit_code(checked: Sequence[Checked]) -> int:
    """That of the gravest: 2 for anything that cannot be judged, 1 over budget, 0 fine."""
    return max((one.exit_code for one in checked), default=0)


def _places(graph: Graph, document: Document) -> Place:
    """The place of the layer with a name: in the spec itself, its own or that of the call that leads to it."""
    origins = {node.name: node.origin for node in graph.nodes}

    def place(name: str) -> Location:
        origin = origins[name]
        return document.locate(1, 1) if origin is None else origin.own_place()

    return place


def _placed(finding: Finding, document: Document) -> Finding:
    """The finding at a place of the spec or of its limit: that is what can be mended, and what a review shows."""
    if finding.location is not None and finding.location.file == document.name:
        return finding
    limit = finding.limit.location if finding.limit else None
    return msgspec.structs.replace(finding, location=limit or document.locate(1, 1))


def _shown_path(subject: Subject, architecture: Architecture) -> str:
    if subject.path == "-":
        return STANDARD_INPUT
    return subject.path or architecture.document.name


def _invalid(error: SpecError, subject: Subject) -> tuple[Finding, ...]:
    whole = Location(STANDARD_INPUT if subject.path == "-" else subject.path or subject.name, 1, 1)
    return tuple(Finding(INVALID_SPEC, p.message, p.location or whole, p.hint) for p in error.problems)
