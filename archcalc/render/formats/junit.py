"""Checked specs → JUnit's XML: a suite for each spec, a case for each limit, and one for the spec itself."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from archcalc.errors import printable
from archcalc.gate.judge import Checked, Finding
from archcalc.render.table import caption


def junit(checked: Sequence[Checked], now: datetime | None = None) -> str:
    """The XML that JUnit's readers share: over budget is a failure, what cannot be judged an error.

    It holds what both Ant's and Jenkins's schemas ask for; `now` is the time of the check, in UTC.
    """
    stamp = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    root = Element("testsuites")
    for number, one in enumerate(checked):
        _suite(root, one, number, stamp)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(root: Element, one: Checked, number: int, stamp: str) -> None:
    of_limits = [judgement.finding.rule.id for judgement in one.judgements if judgement.finding]
    others = [finding for finding in one.findings if finding.limit is None]
    cases: list[tuple[str, Sequence[Finding]]] = [("valid and fully counted", others)]
    for judgement in one.judgements:
        own = [f for f in one.findings if f.limit is judgement.limit]
        cases.append((f"{judgement.limit.metric} {judgement.limit}", own))
    failures = sum(_outcome(findings) == "failure" for _, findings in cases)
    errors = sum(_outcome(findings) == "error" for _, findings in cases)
    name = _text(one.name) or os.curdir
    head = {"name": name, "package": "archcalc", "id": str(number), "timestamp": stamp, "hostname": "localhost"}
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors), "time": "0"}
    suite = SubElement(root, "testsuite", {**head, **counts})
    properties = SubElement(suite, "properties")
    settings = caption(one.report) if one.report else ""
    for key, value in (("settings", settings), ("base", one.base), ("rules", " ".join(of_limits))):
        if value:
            SubElement(properties, "property", {"name": key, "value": _text(value)})
    for case, findings in cases:
        element = SubElement(suite, "testcase", {"name": _text(case), "classname": name, "time": "0"})
        outcome = _outcome(findings)
        if outcome:
            worst = max(findings, key=lambda finding: finding.rule.exit_code)
            kind = f"{worst.rule.id} {worst.rule.name}"
            found = SubElement(element, outcome, {"type": kind, "message": _text(worst.message)})
            found.text = "\n".join(_text(f"{f.location or one.path}: {f.rule.id} {f.text()}") for f in findings)
    warned = [finding for finding in one.findings if not finding.rule.exit_code]
    SubElement(suite, "system-out").text = "\n".join(_text(f"{f.rule.level}: {f.text()}") for f in warned)
    SubElement(suite, "system-err")


def _outcome(findings: Sequence[Finding]) -> str | None:
    """The element for the outcome of a case; None if it passed."""
    code = max((finding.rule.exit_code for finding in findings), default=0)
    return ("failure" if code == 1 else "error") if code else None


def _text(text: str) -> str:
    """Text that XML can hold: a control character is none."""
    return printable(text)
