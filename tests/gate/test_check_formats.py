"""The reports of `archcalc check` in other people's formats: by their schemas, with names that would break them."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from archcalc.budget import Budget, LimitKind, make_limit
from archcalc.errors import Location, printable
from archcalc.gate.baselines import GitBaselines
from archcalc.gate.config import Config
from archcalc.gate.judge import Checked, Finding, fingerprint
from archcalc.gate.rules import INVALID_SPEC, RULES
from archcalc.gate.run import Gate
from archcalc.gate.subjects import Subject
from archcalc.render.check import markdown
from archcalc.render.formats import findings
from archcalc.render.formats.junit import junit
from tests.running import ROOT

SCHEMAS = ROOT / "tests" / "gate" / "schemas"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text(encoding="utf-8")))
JUNIT = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))
NAMES = [
    "plain",
    "with \"both' quotes",
    "line\nbreak\r\n",
    "<script>&amp;",
    "100%25,:;",
    "größe ×λ 🧠",
    "|`*_[x](y)",
    "]]>",
]
NASTY_FILE = "a <b> 100%, 'q' ü,:x.yaml"


def checked(folder: Path, layer: str, *limits: tuple[str, LimitKind, str], file: str = NASTY_FILE) -> list[Checked]:
    """A spec whose layer has this name, and one that is broken, in files of a nasty name, by these limits."""
    path = folder / file
    name = json.dumps(layer, ensure_ascii=False)
    path.write_text(f"input: [4]\nlayers:\n  - linear: {{name: {name}, features: 3}}\n", encoding="utf-8")
    broken = folder / f"broken {file}"
    broken.write_text(f"input: [4]\nlayers:\n  - {name}: {{name: {name}}}\n", encoding="utf-8")
    given = {(metric, kind): make_limit(metric, kind, text, source=f"--{kind}") for metric, kind, text in limits}
    gate = Gate(Config(), Budget(given), GitBaselines())
    return [one for file in (path, broken) for one in gate.check(Subject(str(file), str(file)))]


LIMITS: tuple[tuple[str, LimitKind, str], ...] = (
    ("params", "max", "3"),
    ("flops", "warn", "3"),
    ("macs", "min", "99M"),
    ("memory", "max", "1 GiB"),
    ("saved", "max-increase", "2%"),
)


@pytest.fixture(params=NAMES)
def found(request: pytest.FixtureRequest, tmp_path: Path) -> list[Checked]:
    return checked(tmp_path, request.param, *LIMITS)


def test_what_is_found_whatever_the_name(found: list[Checked]) -> None:
    ids = [[finding.rule.id for finding in one.findings] for one in found]
    assert ids == [["AC001", "AC203", "AC102", "AC903"], ["AC901"]]


def test_sarif_is_valid(found: list[Checked]) -> None:
    log = json.loads(findings.sarif(found))
    SARIF.validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [result["ruleId"] for result in run["results"]] == ["AC001", "AC203", "AC102", "AC903", "AC901"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert run["invocations"] == [{"executionSuccessful": False, "exitCode": 2}]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert re.fullmatch(r"[\w./%~-]+", place["artifactLocation"]["uri"])
    assert unquote(place["artifactLocation"]["uri"]).endswith(NASTY_FILE)
    assert place["region"] == {"startLine": 3, "startColumn": 5}


def test_the_schema_can_fail(found: list[Checked]) -> None:
    log = json.loads(findings.sarif(found))
    changes: tuple[dict[str, Any], ...] = ({"level": "grave"}, {"locations": "here"}, {"message": {}}, {"color": "red"})
    for change in changes:
        broken = json.loads(json.dumps(log))
        broken["runs"][0]["results"][0].update(change)
        assert not SARIF.is_valid(broken)
    assert not JUNIT.is_valid("<testsuites><testsuite name='a'/></testsuites>")


def test_junit_is_valid(found: list[Checked]) -> None:
    xml = junit(found, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    JUNIT.validate(xml)
    root = ElementTree.fromstring(xml)
    over, broken = root
    assert [(s.get("tests"), s.get("failures"), s.get("errors")) for s in root] == [("6", "2", "1"), ("1", "0", "1")]
    assert [case.get("name") for case in over.iter("testcase")] == [
        "valid and fully counted",
        *(f"{metric} {kind} {text}" for metric, kind, text in LIMITS),
    ]
    outcomes = [[child.tag for child in case] for case in over.iter("testcase")]
    assert outcomes == [[], ["failure"], [], ["failure"], [], ["error"]]
    (error,) = broken.iter("error")
    assert (error.get("type") or "").startswith("AC901 ")
    # What Ant's schema asks for besides.
    for number, suite in enumerate(root):
        assert [child.tag for child in suite if child.tag != "testcase"] == ["properties", "system-out", "system-err"]
        assert (suite.get("id"), suite.get("package"), suite.get("hostname")) == (str(number), "archcalc", "localhost")
        assert suite.get("timestamp") == "2026-01-02T03:04:05"
        assert all(case.get("classname") and case.get("time") for case in suite.iter("testcase"))


def parsed_command(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as GitHub's runner reads it, by its documented escapes."""

    def data(text: str) -> str:
        return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")

    def value(text: str) -> str:
        return data(text.replace("%3A", ":").replace("%2C", ","))

    match = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert match is not None, line
    pairs = (pair.split("=", 1) for pair in match[2].split(","))
    return match[1], {name: value(text) for name, text in pairs}, data(match[3])


def test_github_annotations_read_back(found: list[Checked]) -> None:
    *lines, last = findings.github(found).splitlines()
    commands = [parsed_command(line) for line in lines]
    assert [command for command, _, _ in commands] == ["error", "warning", "error", "error", "error"]
    told = [properties for _, properties, _ in commands]
    assert all(properties.keys() == {"file", "line", "col", "title"} for properties in told)
    assert told[0]["file"].endswith(NASTY_FILE)
    assert told[0]["title"] == "AC001 params-over-budget"
    assert (told[0]["line"], told[0]["col"]) == ("3", "5")
    assert "params: 15, over the maximum of 3 by 12 (400.0 %)" in commands[0][2]
    assert "batch 1, float32, lecture convention" in commands[0][2]
    assert without_controls(found[0].findings[0].text()) in commands[0][2]
    assert last.startswith("2 specs checked")


def without_controls(text: str) -> str:
    """What a log may show: all but line feeds spelled out."""
    return "\n".join(printable(line) for line in text.split("\n"))


@given(st.text(), st.text(alphabet="%:,\r\n A25D0"))
def test_escapes_of_workflow_commands_lose_nothing_but_controls(text: str, tricky: str) -> None:
    where = Location("x.yaml", 1, 1)
    for message in (text, tricky):
        one = Checked("x.yaml", "x.yaml", findings=(Finding(INVALID_SPEC, message, where),))
        line = findings.github([one]).rpartition("\n1 spec checked")[0]
        assert "\n" not in line
        assert "\r" not in line
        read_back = parsed_command(line)[2]
        assert read_back == without_controls(f"x.yaml: {message}")
        assert all(line.isprintable() for line in read_back.split("\n"))


def test_gitlabs_report_has_what_gitlab_asks_for(found: list[Checked]) -> None:
    issues = json.loads(findings.gitlab(found))
    assert len(issues) == 5
    for issue in issues:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith("./")
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def prints(found: Sequence[Checked]) -> list[str]:
    return [issue["fingerprint"] for issue in json.loads(findings.gitlab(found))]


def test_fingerprints_stay_while_figures_and_lines_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "input: [4]\nlayers: [{linear: 3}]\n"
    moved = "# a comment\n\ninput: [5]\nlayers: [{linear: 4}]\n"
    seen = []
    for written, limit in ((text, "3"), (moved, "4"), (text, "99")):
        (tmp_path / "net.yaml").write_text(written, encoding="utf-8")
        gate = Gate(Config(), Budget({("params", "max"): make_limit("params", "max", limit)}), GitBaselines())
        seen.append(prints(list(gate.check(Subject("net.yaml", "net.yaml")))))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1
    assert seen[2] == []


def test_fingerprints_of_the_same_finding_twice_differ() -> None:
    finding = Finding(INVALID_SPEC, "twice", Location("x.yaml", 1, 1))
    again = Finding(INVALID_SPEC, "twice", Location("x.yaml", 2, 1))
    first, second = prints([Checked("x.yaml", "x.yaml", findings=(finding, again))])
    assert first == fingerprint("x.yaml", finding)
    assert first != second
    assert fingerprint("y.yaml", finding) != first


def test_json_holds_everything(found: list[Checked]) -> None:
    whole = json.loads(findings.json(found))
    over, broken = whole["specs"]
    assert (whole["exit_code"], over["verdict"], broken["verdict"]) == (2, "cannot be judged", "invalid")
    assert over["settings"] == {
        "input": [4],
        "inputs": {"input": [4]},
        "batch": 1,
        "dtype": "float32",
        "convention": "lecture",
    }
    assert over["figures"]["params"] == 15
    assert [limit["rule"] for limit in over["limits"]] == ["AC001", "AC203", "AC102", None, "AC903"]
    assert (broken["report"] if "report" in broken else broken["figures"]) is None
    first = over["findings"][0]
    assert (first["over"], first["heaviest"][0]["share"]) == (12, "100.0 %")


def test_markdown_stays_a_list_and_a_table(found: list[Checked]) -> None:
    text = markdown(found)
    assert text.startswith("### archcalc: 2 specs checked: ")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {8}
    items = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(items) == 5
    assert "<script>" not in re.sub(r"`[^`]*`", "", text).replace("\\<", "")


def test_a_long_markdown_report_is_cut(tmp_path: Path) -> None:
    spec: Any = checked(tmp_path, "a", ("params", "max", "3"))[:1] * 500
    text = markdown(spec)
    assert "400 more rows are left out" in text
    assert "400 more findings are left out" in text
    assert len(text) < 65_000


def test_every_rule_is_in_the_log(tmp_path: Path) -> None:
    log = json.loads(findings.sarif([]))
    SARIF.validate(log)
    assert [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]] == [rule.id for rule in RULES]
    JUNIT.validate(junit([]))
    assert json.loads(findings.gitlab([])) == []
