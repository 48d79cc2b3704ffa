"""Outputs that are no plain files, and standard streams that are closed or full, as real processes."""

import os
import pickle
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from archcalc.errors import ArchcalcError, LayerError, Location, Problem, SettingError, SpecError
from archcalc.render.formats.markup import escaped
from archcalc.render.output import write
from tests.running import ROOT, environment

COMMANDS = {
    "table alexnet": 0,
    "list": 0,
    "--help": 0,
    "--version": 0,
    "check alexnet": 0,
    "check alexnet --max params=1M": 1,
    "check no-such-spec.yaml": 2,
    "table no-such-spec.yaml": 2,
}


def shell(command: str, streams: str) -> int:
    line = f'"{sys.executable}" -m archcalc {command} {streams}'
    return subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment(), capture_output=True, timeout=60).returncode


@pytest.mark.parametrize("streams", ["2>&-", ">&-", "<&-", "2>/dev/full", "| true; exit ${PIPESTATUS[0]}"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_broken_stream_leaves_the_exit_code(command: str, streams: str) -> None:
    assert shell(command, streams) == COMMANDS[command]


@pytest.mark.parametrize("command", ["table alexnet", "--help", "--version", "check alexnet --max params=1M"])
def test_a_full_disk_is_an_error(command: str) -> None:
    line = f'"{sys.executable}" -m archcalc {command} >/dev/full'
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, b"No space left" in done.stderr, b"internal" in done.stderr) == (2, True, False)


def test_a_link_stays_and_its_target_keeps_its_mode(tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    dangling.symlink_to("new")
    write("new text", str(link))
    write("new text", str(dangling))
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert target.read_text() == (tmp_path / "new").read_text() == "new text"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    write("x" * 200_000, str(fifo))
    reader.join(timeout=30)
    assert got == ["x" * 200_000]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_stays_one(tmp_path: Path) -> None:
    node = tmp_path / "null"
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        write("x", str(node))
    except (PermissionError, ArchcalcError) as error:
        pytest.skip(f"no device can be made and opened here: {error}")
    assert stat.S_ISCHR(node.stat().st_mode)


def test_a_process_substitution_is_written_into() -> None:
    line = f'"{sys.executable}" -m archcalc table alexnet -o >(wc -c)'
    done = subprocess.run(["bash", "-c", f"{line}; wait"], cwd=ROOT, env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert int(done.stdout) > 500


@pytest.mark.parametrize(
    "error",
    [
        ArchcalcError("a", hint="b"),
        SettingError("a", hint="b"),
        SpecError([Problem("a", Location("f", 1, 2, "text"), "b")], partial=("rows",)),
        LayerError("a", field="f", hint="h", assume=(1, 2), size_matters=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: ArchcalcError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("text", ["<b>", "@me", "[a](https://b)", "a|b", "`x`", "www.b.org", "\x1b[31m", "\u202e"])
def test_markdown_leaves_nothing_live(text: str) -> None:
    assert text not in escaped(text)
