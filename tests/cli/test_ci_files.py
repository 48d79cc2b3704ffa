"""What archcalc gives to other people's CI: the GitHub action, its scripts, the pre-commit hook, the GitLab example."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import ROOT, environment

FAKE_GH = """#!/usr/bin/env python3
import json, os, pathlib, sys
calls = pathlib.Path(os.environ["CALLS"])
with calls.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if "graphql" in sys.argv:
    print("github-actions[bot]")
elif "--jq" in sys.argv:
    print(os.environ.get("EXISTING", ""), end="")
"""


def loaded(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_action_is_whole() -> None:
    action = loaded("action.yml")
    assert action["runs"]["using"] == "composite"
    assert all(part.get("description") for part in (*action["inputs"].values(), *action["outputs"].values()))
    used = str(action["runs"]["steps"])
    assert [name for name in action["inputs"] if f"inputs.{name} " not in used.replace("}", " ")] == []
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert all(step["shell"] == "bash" for step in action["runs"]["steps"] if "run" in step)
    # What comes from outside reaches a script by its environment alone, never as part of its text.
    assert not any("${{" in script for script in scripts)
    assert all((ROOT / f"ci/{name}.sh").is_file() for name in ("check", "comment"))


def test_the_hook_needs_no_torch() -> None:
    (hook,) = loaded(".pre-commit-hooks.yaml")
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert (hook["id"], hook["language"]) == ("archcalc-check", "python")
    assert "additional_dependencies" not in hook
    assert all(re.search(hook["files"], f"models/{name}") for name in ("a.yml", "A.YAML", "a.json", "pyproject.toml"))


def test_the_gitlab_example_reads() -> None:
    job = loaded("docs/ci/gitlab-ci.yml")["archcalc"]
    assert job["artifacts"]["when"] == "always"
    assert any("--output-format gitlab" in line for line in job["script"])


def commented(tmp_path: Path, existing: str) -> list[list[str]]:
    gh, report, calls = tmp_path / "gh", tmp_path / "report.md", tmp_path / "calls"
    gh.write_text(FAKE_GH, encoding="utf-8")
    gh.chmod(gh.stat().st_mode | stat.S_IXUSR)
    report.write_text("### é `x` $(touch pwned)\n" + "é" * 70_000, encoding="utf-8")
    env = environment(
        PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
        CALLS=str(calls),
        EXISTING=existing,
        REPORT=str(report),
        GITHUB_REPOSITORY="me/models",
        PULL_REQUEST="7",
    )
    subprocess.run(["bash", ROOT / "ci/comment.sh"], env=env, cwd=tmp_path, check=True, timeout=60)
    assert not (tmp_path / "pwned").exists()
    return [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("existing", "method", "place"),
    [("", "POST", "repos/me/models/issues/7/comments"), ("42\n43\n", "PATCH", "repos/me/models/issues/comments/42")],
)
def test_one_comment_is_kept_up_to_date(tmp_path: Path, existing: str, method: str, place: str) -> None:
    _, looked, wrote = commented(tmp_path, existing)
    assert "repos/me/models/issues/7/comments" in looked
    assert wrote[wrote.index("--method") + 1] == method
    assert place in wrote
    body = wrote[-1]
    assert body.startswith("body=<!-- archcalc -->\n### é `x` $(touch pwned)")
    assert len(body) < 65_536


def test_only_a_comment_of_ones_own_is_changed(tmp_path: Path) -> None:
    asked, looked, _ = commented(tmp_path, "42\n")
    assert "query={viewer{login}}" in asked
    chosen = looked[looked.index("--jq") + 1]
    assert chosen.startswith('.[] | select(.user.login == "github-actions[bot]" and (.body | startswith(')
