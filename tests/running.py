"""Running the command line as a user does: in a process of its own, into a pipe or on a terminal."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(**changes: str) -> dict[str, str]:
    """The environment of a user: byte code is cached, nothing forces colour."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONIOENCODING": "utf-8", **changes}


def piped(*arguments: str, stdin: str | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`archcalc …` into a pipe."""
    command = [sys.executable, "-m", "archcalc", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, encoding="utf-8", env=environment(), cwd=cwd, timeout=60
    )


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
