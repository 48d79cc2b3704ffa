"""What several test files share: specs from text, their messages, and the command line in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from archcalc import ArchcalcError, Architecture, Report, analyze
from archcalc.spec.architecture import read
from archcalc.spec.source import Document

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


def layers(*lines: str, head: str = "input: [3, 8, 8]") -> str:
    """A spec with these layers, the first of them in line 3 where `head` is one line."""
    return "\n".join([head, "layers:", *(f"  - {line}" for line in lines), ""])


def spec(text: str) -> Architecture:
    return read(Document("net.yaml", text))


def report(text: str, **settings: Any) -> Report:
    return analyze(spec(text), **settings)


def numbers(text: str, **settings: Any) -> list[tuple[Any, ...]]:
    """All figures of a spec's rows."""
    rows = report(text, **settings).layers
    return [(r.inputs, r.output, r.params, r.buffers, r.memory_bytes, r.macs, r.flops, r.receptive_field) for r in rows]


def names(text: str) -> list[str]:
    return [row.name for row in report(text).layers]


def messages(text: str, **settings: Any) -> str:
    """All messages about a spec as the command line prints them."""
    with pytest.raises(ArchcalcError) as caught:
        report(text, **settings)
    return "\n".join(map(str, caught.value.problems))


def run(*arguments: str | Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """`archcalc` with these arguments in a process of its own, its output into pipes."""
    return python("-m", "archcalc", *arguments, stdin=stdin, **env)


def python(*arguments: str | Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        env=_environment() | env,
        timeout=60,
    )


def measured(tmp_path: Path, *arguments: str | Path) -> Usage:
    """`archcalc` with these arguments, with the processor time and the peak memory that it took."""
    out, err = tmp_path / "stdout", tmp_path / "stderr"
    command = [sys.executable, "-ISc", _LAUNCHER, out, err, sys.executable, "-m", "archcalc", *arguments]
    launcher = subprocess.run(command, capture_output=True, encoding="utf-8", env=_environment(), timeout=120)
    code, cpu_seconds, peak_mib = json.loads(launcher.stdout)
    return Usage(code, out.read_bytes(), err.read_bytes(), cpu_seconds, peak_mib)


def _environment() -> dict[str, str]:
    """Bytecode is kept, as it is for a user; no setting of the tester's decides what is printed."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "ARCHCALC_TRACEBACK", "COLUMNS")
    return {key: value for key, value in os.environ.items() if key not in unwanted} | {"PYTHONUTF8": "1"}
