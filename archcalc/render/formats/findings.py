"""Checked specs → what other programs read: JSON, GitHub's annotations, GitLab's code quality report, and SARIF."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from archcalc._version import __version__
from archcalc.budget import Limit
from archcalc.engine.figures import METRICS
from archcalc.errors import Location, printable
from archcalc.gate.judge import Checked, Finding, Judgement, fingerprint
from archcalc.gate.rules import RULES, Level
from archcalc.gate.run import exit_code
from archcalc.render.check import settings_words, summary
from archcalc.render.formats.data import as_json

SCHEMA_VERSION = 1
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def json(checked: Sequence[Checked]) -> str:
    """Everything: of every spec its settings, figures, limits and findings, in exact figures."""
    whole = {
        "schema_version": SCHEMA_VERSION,
        "archcalc": __version__,
        "exit_code": exit_code(checked),
        "summary": dict(Counter(one.verdict for one in checked)),
        "specs": [_spec(one) for one in checked],
    }
    return as_json(whole)


def _spec(one: Checked) -> dict[str, Any]:
    report = one.report
    return {
        "name": one.name,
        "file": one.path,
        "architecture": report.architecture if report else None,
        "verdict": one.verdict,
        "settings": report.settings.to_dict() if report else None,
        "base": one.base or None,
        "figures": {name: metric.of(report) for name, metric in METRICS.items()} if report else None,
        "limits": [_judged(judgement) for judgement in one.judgements],
        "findings": [{**_found(finding), "fingerprint": print_} for finding, print_ in _fingerprints([one])],
    }


def _judged(judgement: Judgement) -> dict[str, Any]:
    limit = judgement.limit
    return {
        **_limit(limit),
        "value": judgement.value,
        "base": judgement.base,
        "rule": judgement.finding.rule.id if judgement.finding else None,
    }


def _limit(limit: Limit) -> dict[str, Any]:
    relative = limit.kind == "max-increase"
    return {
        "metric": limit.metric,
        "kind": limit.kind,
        "text": limit.text,
        "bound": None if relative else limit.bound,
        "min_delta": limit.min_delta if relative else None,
        "source": limit.source or None,
        "location": _place(limit.location),
    }


def _found(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule.id,
        "name": finding.rule.name,
        "level": finding.rule.level,
        "message": finding.message,
        "hint": finding.hint,
        "over": finding.over,
        "location": _place(finding.location),
        "heaviest": [{"layer": w.layer, "share": w.share, "location": _place(w.location)} for w in finding.heaviest],
        "limit": _limit(finding.limit) if finding.limit else None,
    }


def _place(location: Location | None) -> dict[str, Any] | None:
    return location and {"file": _path(location.file), "line": location.line, "column": location.column}


def _fingerprints(checked: Sequence[Checked]) -> Iterator[tuple[Finding, str]]:
    """Every finding with what identifies it; where two would be the same, the later ones are numbered."""
    seen = Counter[str]()
    for one in checked:
        for finding in one.findings:
            print_ = fingerprint(one.name, finding)
            seen[print_] += 1
            yield finding, print_ if seen[print_] == 1 else f"{print_}-{seen[print_]}"


_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}


def github(checked: Sequence[Checked]) -> str:
    """Workflow commands that annotate the lines of a pull request, and a line that sums up."""
    lines = []
    for one in checked:
        for finding in one.findings:
            properties = {"title": f"{finding.rule.id} {finding.rule.name}"}
            if finding.location is not None:
                place = finding.location
                properties = {
                    "file": _path(place.file),
                    "line": str(place.line),
                    "col": str(place.column),
                    **properties,
                }
            told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
            text = _data(f"{one.name}: {finding.text()}{_settings(one)}")
            lines.append(f"::{_COMMANDS[finding.rule.level]} {told}::{text}")
    return "\n".join([*lines, summary(checked)]) + "\n"


def _data(text: str) -> str:
    """Text as a workflow command takes it."""
    text = "\n".join(map(printable, text.split("\n")))  # a log is shown on terminals
    return text.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_SEVERITIES = {("error", 1): "major", ("error", 2): "critical", ("warning", 0): "minor", ("note", 0): "info"}


def gitlab(checked: Sequence[Checked]) -> str:
    """GitLab's code quality report: an issue for each finding, with a fingerprint that stays the same."""
    names = [one for one in checked for _ in one.findings]
    return as_json(
        [
            {
                "description": f"{one.name}: {finding.text()}{_settings(one)}",
                "check_name": f"{finding.rule.id} {finding.rule.name}",
                "fingerprint": print_,
                "severity": _SEVERITIES[finding.rule.level, finding.rule.exit_code],
                "location": {
                    "path": _path(finding.location.file if finding.location else one.path),
                    "lines": {"begin": finding.location.line if finding.location else 1},
                },
            }
            for one, (finding, print_) in zip(names, _fingerprints(checked), strict=True)
        ]
    )


def sarif(checked: Sequence[Checked]) -> str:
    """A log of the Static Analysis Results Interchange Format 2.1.0."""
    names = [one for one in checked for _ in one.findings]
    code = exit_code(checked)
    driver = {
        "name": "archcalc",
        "version": __version__,
        "rules": [
            {
                "id": rule.id,
                "name": rule.name,
                "shortDescription": {"text": rule.statement},
                "defaultConfiguration": {"level": rule.level},
            }
            for rule in RULES
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": code < 2, "exitCode": code}],
        "results": [
            _result(one, finding, print_) for one, (finding, print_) in zip(names, _fingerprints(checked), strict=True)
        ],
    }
    return as_json({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(one: Checked, finding: Finding, print_: str) -> dict[str, Any]:
    places = [weight.location for weight in finding.heaviest if weight.location and weight.location != finding.location]
    if finding.limit and finding.limit.location and finding.limit.location != finding.location:
        places.append(finding.limit.location)
    result = {
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.index(finding.rule),
        "level": finding.rule.level,
        "message": {"text": f"{one.name}: {finding.text()}{_settings(one)}"},
        "locations": [_sarif_place(finding.location or Location(one.path, 1, 1))],
        "partialFingerprints": {"archcalc/v1": print_},
    }
    related = [{"id": i, **_sarif_place(place)} for i, place in enumerate(dict.fromkeys(places))]
    return {**result, "relatedLocations": related} if related else result


def _sarif_place(location: Location) -> dict[str, Any]:
    region = {"startLine": location.line, "startColumn": location.column}
    uri = quote(os.fsencode(_path(location.file)), safe="/")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def _path(file: str) -> str:
    """A file as platforms name it: from where the check runs, with slashes; one elsewhere by its whole path."""
    inside = os.path.relpath(file)
    return (file if inside.startswith("..") else inside).replace(os.sep, "/")


def _settings(one: Checked) -> str:
    """The settings that a finding's figures were taken at; nothing for a spec that has none."""
    words = settings_words(one)
    return f" (at {words})" if words else ""
