"""A new user's trial: a spec under budget in git, a commit that doubles a layer, and what each command says to it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.git_repository import Repo
from tests.running import ROOT, environment, piped

SPEC = """name: net
input: [3, 32, 32]
budget:
  params: 25k
layers:
  - conv: {name: conv1, filters: 16, kernel: 3, pad: 1}
  - relu
  - conv: {name: conv2, filters: 32, kernel: 3, pad: 1}
  - maxpool: 4
  - flatten
  - linear: {name: head, features: 8}
"""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "my models")
    made.write("models/net.yaml", SPEC)
    made.write("archcalc.toml", '[budgets."models/*.yaml"]\nflops = "10M"\n')
    made.commit("a model under budget")
    made.git("checkout", "-q", "-b", "wider")
    made.write("models/net.yaml", SPEC.replace("filters: 32", "filters: 64"))
    made.commit("twice as wide")
    return made


def test_the_gate_shuts_and_opens_again(repo: Repo) -> None:
    shown = piped("diff", "main", cwd=repo.folder)
    assert shown.returncode == 0
    assert "models/net.yaml: changed" in shown.stdout
    assert "filters 32 → 64" in shown.stdout
    failed = piped("check", cwd=repo.folder)
    assert failed.returncode == 1
    assert "models/net.yaml:" in failed.stdout
    assert "head (line 11)" in failed.stdout
    assert "over the maximum of 25k by 17,504 (70.0 %)" in failed.stdout
    repo.write("models/net.yaml", SPEC.replace("filters: 32", "filters: 64").replace("25k", "45k"))
    assert piped("check", cwd=repo.folder).returncode == 0
    assert piped("check", cwd=repo.folder / "models").returncode == 0


class Action:
    """The script of the GitHub action, run as a runner runs it."""

    def __init__(self, repo: Repo, folder: Path) -> None:
        self.repo, self.folder = repo, folder
        folder.mkdir()
        shim = folder / "archcalc"
        shim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m archcalc "$@"\n', encoding="utf-8")
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)

    def run(self, **inputs: str) -> tuple[int, str, str, dict[str, str]]:
        """The exit code, the annotations, the step summary and the outputs."""
        summary, output = self.folder / "summary.md", self.folder / "output"
        for path in (summary, output):
            path.write_text("", encoding="utf-8")
        env = environment(
            PATH=os.pathsep.join([str(self.folder), os.environ["PATH"]]),
            GITHUB_STEP_SUMMARY=str(summary),
            GITHUB_OUTPUT=str(output),
            RUNNER_TEMP=str(self.folder),
            **inputs,
        )
        done = subprocess.run(
            ["bash", ROOT / "ci/check.sh"],
            cwd=self.repo.folder,
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        outputs = dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
        return done.returncode, done.stdout + done.stderr, summary.read_text(encoding="utf-8"), outputs


@pytest.fixture
def action(repo: Repo, tmp_path: Path) -> Action:
    return Action(repo, tmp_path / "runner")


def test_the_action_annotates_reports_and_fails(action: Action) -> None:
    code, said, summary, outputs = action.run(BASE="main")
    assert (code, outputs["exit-code"]) == (1, "1")
    assert "::error file=models/net.yaml,line=11" in said
    assert "over the maximum of 25k" in summary
    assert "filters 32 → 64" in summary  # the report holds what changed, though the check failed
    assert Path(outputs["report"]).read_text(encoding="utf-8") == summary
    code, _, summary, _ = action.run(SPECS="models/net.yaml\n\n", ARGUMENTS="--max\nparams=1M\n")
    assert code == 0
    assert "filters 32 → 64" not in summary  # no base is asked for outside of a pull request


def test_the_action_takes_the_target_of_a_pull_request(action: Action) -> None:
    action.repo.git("update-ref", "refs/remotes/origin/main", "main")
    _, _, summary, _ = action.run(GITHUB_BASE_REF="main")
    assert "filters 32 → 64" in summary


def test_the_action_never_passes_in_silence(action: Action) -> None:
    code, said, summary, _ = action.run(BASE="nowhere", ARGUMENTS="--max\nparams=1M")
    assert code == 2
    assert "unknown git revision 'nowhere'" in said
    assert "unknown git revision 'nowhere'" in summary
    code, said, _, _ = action.run(SPECS="nothing.yaml")
    assert code == 2


def test_no_input_is_run_as_code(action: Action) -> None:
    action.run(SPECS="$(touch pwned)\n`touch pwned`", BASE="$(touch pwned)", ARGUMENTS="; touch pwned")
    assert not list(action.repo.folder.rglob("pwned"))
