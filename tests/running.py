"""Running the command line as a user does: in a process of its own, into a pipe or on a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# The child is started by a small process: a child's peak memory begins at that of the process that it is split from,
# which for a test run can be anything. The limits end a bomb that goes off before it harms the machine.
_LAUNCHER = """
import json, os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_CPU, (4, 4))
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
child = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=open(sys.argv[1], "wb"),
                         stderr=open(sys.argv[2], "wb"))
_, status, usage = os.wait4(child.pid, 0)
unit = 2**20 if sys.platform == "darwin" else 2**10
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit]))
"""


class Usage(NamedTuple):
    """How a command ended, what it printed, and what it took."""

    code: int
    stdout: bytes
    stderr: bytes
    cpu_seconds: float
    peak_mib: float


def environment(**changes: str) -> dict[str, str]:
    """The environment of a user: byte code is cached, and no setting of the tester's decides what is printed."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "ARCHCALC_TRACEBACK", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONIOENCODING": "utf-8", **changes}


def python(
    *arguments: str | Path, stdin: str | None = None, cwd: Path = ROOT, **changes: str
) -> subprocess.CompletedProcess[str]:
    """`python …`, its output into pipes."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        env=environment(**changes),
        cwd=cwd,
        timeout=240,
    )


def piped(
    *arguments: str | Path, stdin: str | None = None, cwd: Path = ROOT, **changes: str
) -> subprocess.CompletedProcess[str]:
    """`archcalc …`, its output into pipes."""
    return python("-m", "archcalc", *arguments, stdin=stdin, cwd=cwd, **changes)


def measured(tmp_path: Path, *arguments: str | Path) -> Usage:
    """`archcalc …`, with the processor time and the peak memory that it took."""
    out, err = tmp_path / "stdout", tmp_path / "stderr"
    command = [sys.executable, "-ISc", _LAUNCHER, out, err, sys.executable, "-m", "archcalc", *arguments]
    launcher = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment(), cwd=ROOT, timeout=120)
    code, cpu_seconds, peak_mib = json.loads(launcher.stdout)
    return Usage(code, out.read_bytes(), err.read_bytes(), cpu_seconds, peak_mib)


def on_terminal(*arguments: str, columns: int, **changes: str) -> str:
    """What `archcalc …` shows on a terminal of this width, with its escape sequences."""
    pty = __import__("pty")  # there is none on Windows, where these tests do not run
    reader, writer = pty.openpty()
    env = environment(COLUMNS=str(columns), TERM="xterm-256color", **changes)
    command = [sys.executable, "-m", "archcalc", *arguments]
    streams = {"stdin": subprocess.DEVNULL, "stdout": writer, "stderr": writer}
    with subprocess.Popen(command, env=env, cwd=ROOT, **streams) as process:
        os.close(writer)
        shown = b""
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            shown += part
        process.wait(timeout=60)
    os.close(reader)
    return shown.decode("utf-8").replace("\r\n", "\n")
