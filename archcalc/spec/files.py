"""Files → documents: files that are too large, binary or not UTF-8 are refused before parsing."""

import os
import stat
import sys

from archcalc.errors import Problem, SpecError
from archcalc.spec.source import Document

MAX_BYTES = 4 * 2**20


def read_file(path: str) -> Document:
    """The text of a file that a user named, or of standard input for `-`; raises SpecError where it is none.

    The file is read only as far as MAX_BYTES allows. What is no plain file is read where its path says so: below /dev
    or /proc, such as /dev/stdin and what a shell puts in the place of `<(…)`. A FIFO elsewhere might hang for ever.
    """
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-" and sys.stdin is None:
            raise _unreadable(name, "is closed", "name a file, or give it a spec to read")
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            if not _is_open_or_device(path):
                _require_plain(path)
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise _unreadable(name, "is a directory, not a spec", _specs_inside(path)) from None
    except PermissionError:
        raise _unreadable(name, "cannot be read: permission denied") from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return text_of(data, name)


def read_plain_file(path: str) -> Document:
    """The text of a file that no user named, but a spec; raises SpecError for all that is no plain file."""
    hint = "a spec extends a plain file or a shipped architecture"
    if _is_open_or_device(path):
        raise _unreadable(path, "is a device or an open file, not a plain file", hint)
    _require_plain(path, hint)  # read_file's own hint is standard input, which no spec extends
    return read_file(path)


def _is_open_or_device(path: str) -> bool:
    return os.path.abspath(path).startswith(("/dev/", "/proc/"))


def _require_plain(path: str, hint: str | None = None) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # opening it says why
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a FIFO" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        if hint is None and stat.S_ISFIFO(mode):
            hint = "pass it on standard input, named `-`"
        raise _unreadable(path, f"is {kind}, not a plain file", hint)


def text_of(data: bytes, name: str) -> Document:
    """The document of a file's bytes under the name it goes by in messages; raises SpecError where they are no text."""
    if len(data) > MAX_BYTES:
        raise _unreadable(name, f"is larger than {MAX_BYTES // 2**20} MiB", "use `repeat` for layers that recur")
    if b"\0" in data:
        raise _unreadable(name, "is a binary file, not a spec")
    try:
        return Document(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _unreadable(name, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None


def _unreadable(name: str, what: str, hint: str | None = None) -> SpecError:
    return SpecError([Problem(f"{name} {what}", hint=hint)])


def _specs_inside(path: str) -> str:
    try:
        inside = sorted(f for f in os.listdir(path) if f.lower().endswith((".yaml", ".yml", ".json")))
    except OSError:
        inside = []
    return f"name a file in it, such as {os.path.join(path, inside[0])}" if inside else "name a YAML or JSON file"
