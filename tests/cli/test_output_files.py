"""Where `-o` leads: plain files, links, pipes, devices, open files and mounts, for every command that has it.

Nodes are made in temporary folders; of the system's own only /dev/full is written to.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from archcalc.cli import group
from archcalc.errors import ArchcalcError
from archcalc.render.output import write
from tests.running import ROOT, environment, piped

NET = "input: [3, 8, 8]\nlayers:\n  - conv: {filters: 4, kernel: 3}\n  - batchnorm\n  - flatten\n  - linear: 10\n"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the nodes of Linux")
COMMANDS = {
    "activations": ("activations", "net.yaml", "--init", "msra", "-o"),
    "bench": ("bench", "net.yaml", "--warm-up", "1", "--repeat", "1", "-o"),
    "budget init": ("budget", "init", "net.yaml", "--into"),
    "chart": ("chart", "net.yaml", "-o"),
    "check": ("check", "net.yaml", "--output-file"),
    "compare": ("compare", "resnet18", "resnet34", "-o"),
    "devices": ("devices", "-o"),
    "diff": ("diff", "net.yaml", "net.yaml", "-o"),
    "fits": ("fits", "net.yaml", "--on", "t4", "-o"),
    "fold": ("fold", "net.yaml", "-o"),
    "graph": ("graph", "net.yaml", "--format", "mermaid", "-o"),
    "kinds": ("kinds", "-o"),
    "list": ("list", "-o"),
    "report": ("report", "net.yaml", "-o"),
    "reproduce": ("reproduce", "diffusers", "-o"),
    "roofline": ("roofline", "net.yaml", "--on", "t4", "-o"),
    "rules": ("rules", "-o"),
    "schema": ("schema", "-o"),
    "show": ("show", "net.yaml", "-o"),
    "table": ("table", "net.yaml", "-o"),
    "training": ("training", "net.yaml", "-o"),
    "transfer": ("transfer", "net.yaml", "--classes", "3", "-o"),
    "verify": ("verify", "net.yaml", "-o"),
    "weight-decay": ("weight-decay", "net.yaml", "-o"),
}
"""Every command that writes a file, with the option that names it last."""
NAMES = {"budget init": "archcalc.toml", "chart": "out.svg"}
LIGHT = [command for command in COMMANDS if command not in ("activations", "bench", "verify")]
"""Those that need no PyTorch."""
OPTIONS = {"--output", "--output-file", "--into"}


def with_outputs() -> Iterator[str]:
    def inside(command: click.Command, name: str) -> Iterator[str]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for part in command.list_commands(context):
                child = command.get_command(context, part)
                assert child is not None
                yield from inside(child, f"{name} {part}".strip())
        elif any(OPTIONS & set(parameter.opts) for parameter in command.params):
            yield name

    yield from inside(group, "")


def test_every_command_that_writes_a_file_is_known_here() -> None:
    assert set(with_outputs()) == COMMANDS.keys()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    return tmp_path


def run(folder: Path, command: str, path: str) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "archcalc", *COMMANDS[command], path]
    return subprocess.run(
        line, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=120
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_follows_a_link_and_keeps_it(folder: Path, command: str) -> None:
    target, link = folder / "target", folder / NAMES.get(command, "out")
    target.touch()
    target.chmod(0o604)
    link.symlink_to("target")
    result = run(folder, command, link.name)
    assert result.returncode == 0, result.stderr
    assert (os.readlink(link), stat.S_IMODE(target.stat().st_mode)) == ("target", 0o604)
    assert target.stat().st_size > 50
    assert {path.name for path in folder.iterdir()} == {"net.yaml", "target", link.name}


@LINUX
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "budget init"])  # it reads it first
def test_a_command_says_that_a_device_is_full(folder: Path, command: str) -> None:
    link = folder / NAMES.get(command, "out")
    link.symlink_to("/dev/full")
    result = run(folder, command, link.name)
    assert (result.returncode, b"Traceback" in result.stderr) == (2, False)
    assert f"error: cannot write {link.name}: No space left on device".encode() in result.stderr
    assert os.readlink(link) == "/dev/full"


@pytest.mark.parametrize("command", [command for command in LIGHT if command != "budget init"])
def test_a_command_writes_into_a_pipe(folder: Path, command: str) -> None:
    fifo, got = folder / NAMES.get(command, "out"), list[bytes]()
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()), daemon=True)
    reader.start()
    result = run(folder, command, fifo.name)
    assert result.returncode == 0, result.stderr
    reader.join(timeout=30)
    assert [len(data) > 50 for data in got] == [True]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize("command", LIGHT)
def test_a_command_says_that_there_is_no_such_folder(folder: Path, command: str) -> None:
    path = f"no/such/{NAMES.get(command, 'out')}"
    result = run(folder, command, path)
    assert (result.returncode, result.stdout) == (2, b"")
    assert f"error: cannot write {path}: No such file or directory".encode() in result.stderr


# Owner, mode, places that may not be written


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write("x", str(tmp_path / "new"))
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o666])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "there"
    path.write_text("old")
    path.chmod(mode)
    write("new", str(path))
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def as_nobody(action: Callable[..., None], *arguments: str) -> str:
    """What an action says as a user without rights: the message of its error, or nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            action(*arguments)
        except BaseException as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        message = said.read()
    os.waitpid(child, 0)
    return message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("old")
    os.chown(path, 1234, 4321)
    write("new", str(path))
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("new", 1234, 4321)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes somebody else")
def test_places_that_may_not_be_written(tmp_path: Path) -> None:
    write("warm", str(tmp_path / "warm"))  # what is imported on the way may not be readable to nobody
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    (tmp_path / "there").write_text("old")
    (theirs / "there").write_text("old")
    (theirs / "there").chmod(0o644)
    for path in (tmp_path / "new", tmp_path / "there"):
        assert as_nobody(write, "x", str(path)) == f"error: cannot write {path}: Permission denied"
    assert ((tmp_path / "there").read_text(), (tmp_path / "new").exists()) == ("old", False)
    # That the folder may be written does not make a file another's: it keeps its owner, or is left alone.
    there = theirs / "there"
    assert as_nobody(write, "x", str(there)) == f"error: cannot write {there}: Permission denied"
    there.chmod(0o666)
    assert as_nobody(write, "x", str(there)) == ""
    assert (there.read_text(), there.stat().st_uid) == ("x", 0)
    assert [path.name for path in theirs.iterdir()] == ["there"]


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "there"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ArchcalcError, match="No space left on device"):
        write("new", str(path))
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["there"])


@pytest.mark.parametrize("path", [".", "folder/", "loop", "nul\0", "x" * 300])
def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ArchcalcError, match="cannot write "):
        write("x", path)
    assert os.listdir(tmp_path) == ["loop"]


# Open files, and other file systems


def shell(folder: Path, line: str) -> str:
    code = f'archcalc() {{ "{sys.executable}" -m archcalc "$@"; }}\n{line}'
    result = subprocess.run(["bash", "-ec", code], cwd=folder, env=environment(), capture_output=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode()


@LINUX
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_an_open_file_is_written_on(folder: Path, name: str) -> None:
    (folder / "link").symlink_to("/dev/stdout")
    shell(folder, f"{{ echo before; archcalc schema -o {name}; echo after; }} > out")
    text = (folder / "out").read_text()
    assert re.fullmatch(r"before\n\{.*\}\nafter\n", text, flags=re.DOTALL)
    assert shell(folder, f"{{ echo before; archcalc schema -o {name}; echo after; }} | cat") == text


@LINUX
def test_a_number_of_an_open_file(folder: Path) -> None:
    shell(folder, "exec 7>out; archcalc schema -o /dev/fd/7; echo after >&7")
    assert (folder / "out").read_text().endswith("}\nafter\n")
    assert shell(folder, "archcalc schema -o >(wc -l) | cat").strip().isdecimal()
    result = piped("schema", "-o", "/dev/fd/77", cwd=folder)
    assert (result.returncode, "error: cannot write /dev/fd/77: " in result.stderr) == (2, True)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no such folder")
@pytest.mark.parametrize("by_link", [False, True])
def test_a_plain_file_is_replaced_wherever_it_lies(tmp_path: Path, by_link: bool) -> None:
    folder = Path("/dev/shm") / f"archcalc-test-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "there").write_text("old")
        (tmp_path / "link").symlink_to(folder / "there")
        kept = (folder / "there").open()
        write("new", str((tmp_path if by_link else folder) / ("link" if by_link else "there")))
        assert (kept.read(), (folder / "there").read_text()) == ("old", "new")
        kept.close()
    finally:
        shutil.rmtree(folder)


@LINUX
def test_a_file_that_is_mounted_is_written_into(folder: Path) -> None:
    (folder / "mounted").touch()
    (folder / "other").mkdir()
    mount = "mount -t tmpfs none other && echo old > other/file && mount --bind other/file mounted"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], cwd=folder, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    line = f'{mount} && "{sys.executable}" -m archcalc schema -o mounted && cat other/file'
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", line],
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.endswith(b"}\n")
