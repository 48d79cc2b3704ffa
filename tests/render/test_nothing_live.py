"""Whatever names say: nothing of them is live in Markdown, no terminal obeys them, and no runner."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from archcalc import Report, analyze
from archcalc.budget import Budget, make_limit
from archcalc.comparison.diff import diff
from archcalc.errors import printable
from archcalc.gate.baselines import GitBaselines
from archcalc.gate.config import Config
from archcalc.gate.run import Gate
from archcalc.gate.subjects import Subject
from archcalc.render import check as render_check
from archcalc.render.columns import LECTURE_UNITS, choose, default_columns
from archcalc.render.diff import comment
from archcalc.render.formats.markup import escaped, escaped_in_html, markdown
from archcalc.render.table import fitted_grid
from archcalc.spec.architecture import read
from archcalc.spec.source import Document
from tests.git_repository import Repo
from tests.running import ROOT, environment

NAMES = [
    *(
        "<b>bold</b>",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<!--",
        "</details>",
        "<http://a.org>",
    ),
    *("@me", "me@example.org", "a (@org/team)", "&#64;me", r"\@me", "@@me", "#1", "org/repo#12", "GH-3", "gh-3"),
    *("http://a.org", "HTTPS://a.org/?b=c", "www.a.org", "WWW.a.org", "ftp://a", "mailto:me@a.org"),
    *("[a](http://b.org)", "![a](b)", "[a]: http://b.org", "[^1]", "[x]", "a|b", r"a\|b", "\\", "a\\"),
    *(
        "`code`",
        "```",
        "~~~",
        "**bold**",
        "_it_",
        "~~gone~~",
        "$x$",
        "# head",
        "head\n===",
        "- item",
        "+ item",
        "12. item",
    ),
    *(
        "> quote",
        "---",
        "***",
        "* * *",
        "a\n\n# b",
        "a\r\n- b",
        "\x1b[31mred",
        "\x9b31m",
        "\u202eright",
        "\u2028",
        "\x00",
    ),
    *("::error::x", "##[add-mask]x", "%0A::error::x", "=1+1", "-1", "a b\tc"),
]
ALLOWED = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "ul", "li", "details", "summary"}
LIVE = re.compile(r"(?i)@\w|#\d|(?<![a-z\d])gh-\d|[a-z]://|(?<![a-z\d])www\.\w")
TEXT = st.one_of(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from([*"<>&@#[]()!`*_~|\\$:/.-+=1a \n", "http:", "www.", "GH-"]), min_size=1).map("".join),
)


class Shown(HTMLParser):
    """What a reader of rendered Markdown sees: the text, the tags around it, and the text of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.code = 0
        self.text = ""
        self.cells: list[str] = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert all(name == "style" for name, _ in attributes), attributes
        self.tags.add(tag)
        self.cells += [""] if tag in ("td", "th") else []

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("<!--")


def shown(text: str) -> Shown:
    found = Shown(text)
    assert found.tags <= ALLOWED, found.tags - ALLOWED
    assert LIVE.findall(found.text) == []
    assert all(character.isprintable() or character in "\n\u200b" for character in found.text)
    return found


def seen(text: str) -> str:
    """A text as a reader sees it: without spaces that have no width, and with one in place of many."""
    return " ".join(text.replace("\u200b", "").split())


def spec(name: str, width: int = 3, title: str = "") -> str:
    text = {"name": title or name, "title": title or name, "source": name, "input": [4]}
    layers = [{"linear": {"name": name, "features": width}}, {"linear": {"features": width, "bias": False}}]
    return json.dumps({**text, "layers": layers})


def report(name: str, width: int = 3) -> Report:
    return analyze(read(Document("net.yaml", spec(name, width))))


def can_be_named(name: str) -> bool:
    return not read(Document("net.yaml", spec(name))).problems


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_text(text: str) -> None:
    assert seen(shown(escaped(text)).text) == seen(printable(text))
    assert seen(shown(f"| a | b |\n|---|---|\n| {escaped(text)} | c |\n").cells[2]) == seen(printable(text))
    assert seen(shown(f"- **a**: {escaped(text)}").text) == f"a: {seen(printable(text))}".strip()
    assert seen(shown(f"<details>\n<summary>{escaped_in_html(text)}</summary>\n</details>").text) == seen(
        printable(text)
    )


@settings(max_examples=150, deadline=None)
@given(TEXT)
def test_tables(name: str) -> None:
    found = report(name)
    grid = fitted_grid(found, None, choose(None, default_columns(found)), units=LECTURE_UNITS, hide=False)[0]
    page = shown(markdown(grid))
    assert seen(printable(name)) in map(seen, page.cells)
    assert len(page.cells) % len(grid.columns) == 0


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_diffs(name: str) -> None:
    found = diff(name, report(name), report(name, 4))
    page = shown(comment([found], name, [name]))
    assert "details" in page.tags
    assert [seen(cell) for cell in page.cells].count(seen(printable(name))) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_checks(tmp_path: Path, name: str) -> None:
    file = name.replace("/", "∕").replace("\0", "0")[:100]
    for path, text in ((file, spec(name)), (f"{file}.bad.yaml", spec(name).replace('"linear"', json.dumps(name)))):
        (tmp_path / path).write_text(text, encoding="utf-8")
    limit = make_limit("params", "max", "3", source=f"--max {name}")
    gate = Gate(Config(), Budget({("params", "max"): limit}), GitBaselines())
    checked = [one for path in (file, f"{file}.bad.yaml") for one in gate.check(Subject(path, str(tmp_path / path)))]
    assert [one.exit_code for one in checked] == [1, 2]
    page = shown(render_check.markdown(checked))
    assert seen(printable(file)) in map(seen, page.cells)


# Terminals and logs

COMMANDS = {
    "table": ("table", "net.yaml"),
    "table csv": ("table", "net.yaml", "--format", "csv"),
    "table json": ("table", "net.yaml", "--json"),
    "table html": ("table", "net.yaml", "--format", "html"),
    "table latex": ("table", "net.yaml", "--format", "latex"),
    "show": ("show", "net.yaml"),
    "show flat": ("show", "--flat", "net.yaml"),
    "fold": ("fold", "net.yaml"),
    "graph": ("graph", "net.yaml"),
    "dot": ("graph", "net.yaml", "--format", "dot"),
    "compare": ("compare", "net.yaml", "net.yaml", "--by", "layer"),
    "chart": ("chart", "net.yaml"),
    "diff": ("diff", "net.yaml", "other.yaml"),
    "broken": ("table", "broken.yaml"),
    **{
        form: ("check", ".", "--output-format", form) for form in ("text", "json", "github", "gitlab", "sarif", "junit")
    },
}
DIRECTING = "\x1b[31m \x9b31m \u202e \u200f \x07 \x0c \x1c \x7f \u2028 \x85 \r x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("directing")
    text = spec(DIRECTING)
    (made / "net.yaml").write_text(f"# \u202e comment\n{text}", encoding="utf-8")
    (made / "other.yaml").write_text(text.replace("false", "true"), encoding="utf-8")
    (made / "broken.yaml").write_text(text.replace('"linear"', json.dumps(DIRECTING)), encoding="utf-8")
    (made / f"{DIRECTING}.yaml").write_text(text, encoding="utf-8")
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_no_terminal_obeys(folder: Path, command: str) -> None:
    line = [sys.executable, "-m", "archcalc", *COMMANDS[command]]
    result = subprocess.run(line, cwd=folder, env=environment(), capture_output=True, timeout=60)
    said = (result.stdout + result.stderr).decode("utf-8")
    assert len(said) > 100
    assert {character for character in said if not character.isprintable()} <= {"\n"}
    if command == "table json":
        assert json.loads(said)["layers"][0]["name"] == DIRECTING


def test_what_show_prints_is_the_same_architecture(folder: Path) -> None:
    for arguments in (("net.yaml",), ("--flat", "net.yaml")):
        line = [sys.executable, "-m", "archcalc", "show", *arguments]
        text = subprocess.run(line, cwd=folder, env=environment(), capture_output=True, timeout=60).stdout.decode()
        again = analyze(read(Document("net.yaml", text)))
        assert again.layers[0].name == DIRECTING
        assert again.title == DIRECTING


# The action's script


def test_the_script_of_the_action(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    nasty = "`````` @me <b> ##[add-mask]x"
    repo.write("::add-mask::a.yaml", spec("a").replace('"linear"', json.dumps(nasty)))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/archcalc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archcalc "$@"\n')
    (tmp_path / "bin/archcalc").chmod(0o755)
    env = environment(
        PATH=os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]),
        BASE="main",
        SPECS=".",
        RUNNER_TEMP=str(tmp_path),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
        GITHUB_OUTPUT=str(tmp_path / "output"),
    )
    result = subprocess.run(
        ["bash", ROOT / "ci/check.sh"], cwd=repo.folder, env=env, capture_output=True, encoding="utf-8", timeout=120
    )
    assert (result.returncode, result.stderr) == (2, "")
    assert (tmp_path / "output").read_text() == f"report={tmp_path}/archcalc.md\nexit-code=2\n"
    # What a runner takes for commands: annotations, and what stops it from taking anything else.
    commands = []
    token = ""
    for line in result.stdout.splitlines():
        if token:
            token = "" if line == f"::{token}::" else token
        elif stop := re.fullmatch("::stop-commands::(.{32})", line):
            token = stop[1]
        elif line.startswith("::") or "##[" in line:
            commands.append(line)
    assert token == ""
    assert [command[: len("::error file=")] for command in commands] == ["::error file="] * 2
    assert "title=AC901 invalid-spec::" in commands[0]
    summary = (tmp_path / "summary").read_text()
    assert nasty in summary  # in a fence
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(summary)
    outside = re.sub(r"<pre>.*?</pre>", "", rendered, flags=re.DOTALL)
    assert rendered.count("<pre>") == 1
    assert "add-mask]x" in outside
    assert "<b>" not in outside
    assert LIVE.findall(outside) == []
