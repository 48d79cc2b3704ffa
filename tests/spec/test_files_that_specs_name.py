"""Files that hang, and files that are not ours: what is read of them, and what is told."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from archcalc import SpecError, load
from archcalc.spec.catalogue import find_all
from tests.running import ROOT, environment, piped
from tests.specs_helper import layers

SPEC = layers("linear: 2", head="input: [8]")
pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")


def run(tmp_path: Path, *arguments: str | Path, stdin: str | None = None) -> tuple[int, str]:
    """The exit code and the messages of `archcalc …` in a folder; what hangs fails."""
    done = piped(*arguments, stdin=stdin, cwd=tmp_path, PYTHONPATH=str(ROOT))
    return done.returncode, done.stderr


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.yaml")
    return tmp_path / "pipe.yaml"


def test_a_fifo_is_no_spec(tmp_path: Path, fifo: Path) -> None:
    told = "error: pipe.yaml is a FIFO, not a plain file\n  hint: pass it on standard input, named `-`\n"
    assert run(tmp_path, "table", fifo.name) == (2, told)
    (tmp_path / "link.yaml").symlink_to(fifo)
    assert "link.yaml is a FIFO" in run(tmp_path, "table", "link.yaml")[1]
    with pytest.raises(SpecError, match="is a FIFO"):
        find_all(str(fifo))
    with pytest.raises(SpecError, match="is a FIFO"):
        load(fifo)


def test_a_socket_is_no_spec(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(tmp_path / "s.yaml"))
        assert run(tmp_path, "table", "s.yaml") == (2, "error: s.yaml is a socket, not a plain file\n")


def test_standard_input_and_open_files_are_read() -> None:
    assert piped("table", "-", stdin=SPEC).returncode == 0
    assert piped("table", "/dev/stdin", stdin=SPEC).stdout.startswith("stdin\n")


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no bash here")
def test_what_a_shell_gives_as_a_file_is_read() -> None:
    script = f"{sys.executable} -m archcalc table <(cat) --format csv"
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        input=SPEC,
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        cwd=ROOT,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("fc1,8")


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("'-'", "a spec extends a file or a shipped architecture, not standard input"),
        ("pipe.yaml", "pipe.yaml is a FIFO, not a plain file"),
        ("/dev/stdin", "/dev/stdin is a device or an open file, not a plain file"),
        ("/dev/zero", "/dev/zero is a device or an open file, not a plain file"),
        ("/proc/self/fd/0", "/proc/self/fd/0 is a device or an open file, not a plain file"),
    ],
)
def test_a_spec_extends_plain_files_alone(tmp_path: Path, fifo: Path, base: str, told: str) -> None:
    (tmp_path / "net.yaml").write_text(f"extends: {base}\n")
    assert fifo.exists()
    code, messages = run(tmp_path, "table", "net.yaml", stdin=SPEC)
    assert code == 2
    assert messages.startswith(f"net.yaml:1:10: error: {told}\n  1 | extends: {base}\n")
    assert "standard input, which is named" not in messages  # which `extends` does not take
    if base != "'-'":
        assert messages.endswith("\n  hint: a spec extends a plain file or a shipped architecture\n")


SECRETS = {
    "plain": "hunter2\n",
    "broken": "password: [hunter2\n",
    "mapping": "password: hunter2\npassword: hunter2\n",
    "list": "- hunter2\n",
    "variants": "variants: {hunter2: 1}\n",
    "input": "input: hunter2\n",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("place", ["inside.yaml", "../outside.yaml"])
def test_nothing_is_told_of_a_file_that_is_no_spec(tmp_path: Path, name: str, place: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / place).write_text(SECRETS[name])
    (folder / "net.yaml").write_text(f"extends: {place}\n")
    code, messages = run(folder, "table", "net.yaml")
    assert code == 2
    assert messages == (
        f"net.yaml:1:10: error: {place} is not a valid spec\n  1 | extends: {place}\n    |          ^\n"
        f"  hint: `archcalc table {place}` shows why\n"
    )
    assert "hunter2" in run(folder, "table", place)[1] or name in ("variants", "input")


def test_lines_of_a_spec_are_shown_where_it_is_of_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "models").mkdir(parents=True)
    broken = layers("conv: {filters: 1, kernel: 3}  # hunter2", head="input: [8]")
    for path in (tmp_path / "outside.yaml", folder / "base.yaml", folder / "models" / "beside.yaml"):
        path.write_text(broken)
    for base, shows in (("../../outside.yaml", False), ("../base.yaml", True), ("beside.yaml", True)):
        (folder / "models" / "net.yaml").write_text(f"extends: {base}\n")
        code, messages = run(folder, "table", "models/net.yaml")
        assert code == 2
        assert f"models/{base}:3:5: error: conv1: conv needs an input of channels" in messages
        assert ("hunter2" in messages) is shows
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (folder / "net.yaml").write_text("extends: link.yaml\n")
    assert "hunter2" not in run(folder, "table", "net.yaml")[1]
