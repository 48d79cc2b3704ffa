"""Where output goes: standard output, plain or in colour, or a file, which is written whole or not at all."""

import contextlib
import os
import stat
import sys
from collections.abc import Sequence

from archcalc.errors import ArchcalcError
from archcalc.render.formats.text import plain
from archcalc.render.grid import Grid, narrowed


def terminal_width() -> int | None:
    """The width of the terminal that standard output is; None for a pipe or file, which has no limit."""
    if not sys.stdout.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def show_grid(grid: Grid, gap: int) -> None:
    """Print a grid to standard output as it is: in colour on a terminal, plain in a pipe, which does not load rich."""
    if terminal_width() is None:
        write(plain(grid, gap))
        return
    from archcalc.render.terminal import show, terminal_console

    show(grid, gap, terminal_console())


def print_grid(grid: Grid, form: str, path: str | None = None) -> None:
    """Print a grid as table (fitted to the terminal), markdown, latex or html, to standard output or a file."""
    if form != "table":
        from archcalc.render.formats import markup

        write(getattr(markup, form)(grid), path)
    elif path is not None:
        write(plain(grid), path)
    else:
        width = terminal_width()
        show_grid(*((grid, 2) if width is None else narrowed(grid, width)))


def print_grids(grids: Sequence[Grid], path: str | None = None, form: str = "table") -> None:
    """Print grids one below the other, tables fitted to the terminal, to standard output or a file."""
    if form != "table":
        from archcalc.render.formats import markup

        write("\n".join([getattr(markup, form)(grid) for grid in grids]), path)
        return
    if path is not None or terminal_width() is None:
        write("\n".join(map(plain, grids)), path)
        return
    for i, grid in enumerate(grids):
        write("\n" if i else "")
        print_grid(grid, "table")


def write(content: str | bytes, path: str | None = None) -> None:
    """Write text or bytes to standard output or a file.

    A plain file is replaced in one step, so that none is ever half-written, and keeps its mode; a link stays, and what
    it points to is written. A file of several names or of another owner, a device, a pipe, a socket or an open file
    (`/dev/fd/3`) is written into. Raises ArchcalcError where it cannot be written.
    """
    if path is None:
        if isinstance(content, str):
            sys.stdout.write(content)
        else:
            sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    try:
        there = _status(path)
        entry = _entry(path)
        if there is None or _is_replaceable(entry, there):
            _replace(entry, data, there)
        else:
            _write_into(entry, data)
    except BrokenPipeError:
        return  # who reads has seen enough
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArchcalcError(f"cannot write {path}: {reason}") from None


def _status(path: str) -> os.stat_result | None:
    """The kind of file at a path, links followed; None for nothing, as behind a dangling link."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _entry(path: str) -> str:
    """The entry of a folder that a path leads to by its links.

    Those by which a process names its open files, such as /dev/fd/3, are not followed: what is open has an entry maybe,
    but whoever opened it goes on with the file itself, not with what stands there next.
    """
    while True:
        folder, name = os.path.split(path)
        entry = os.path.join(os.path.realpath(folder or os.curdir), name)
        if not os.path.islink(entry) or _is_of_process(entry):
            return entry
        path = os.path.join(os.path.dirname(entry), os.readlink(entry))


def _is_replaceable(entry: str, there: os.stat_result) -> bool:
    """Whether an entry is a plain file's own, and what takes its place can be as it was.

    That of a link to an open file is not, nor one on another device than its folder: a file that is mounted there, and
    on macOS an open one. A file of several names, of another owner, or that may not be written keeps its place, too.
    """
    if os.path.islink(entry) or not stat.S_ISREG(there.st_mode) or there.st_nlink > 1:
        return False
    if hasattr(os, "geteuid") and os.geteuid() not in (0, there.st_uid):
        return False
    if not os.access(entry, os.W_OK):
        return False
    return os.stat(os.path.dirname(entry)).st_dev == there.st_dev


def _is_of_process(entry: str) -> bool:
    """Whether a link is in the file system of processes."""
    try:
        return os.lstat(entry).st_dev == os.lstat("/proc/self").st_dev
    except OSError:
        return False  # there is no such file system


def _write_into(entry: str, data: bytes) -> None:
    folder, name = os.path.split(entry)
    if folder == f"/proc/{os.getpid()}/fd":  # opened anew, a file would be cut, and a socket cannot be
        file = os.fdopen(os.dup(int(name)), "wb", buffering=0)
    else:
        file = open(entry, "wb", buffering=0)  # noqa: SIM115  # closed below; no device takes a position
    with file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _replace(path: str, data: bytes, there: os.stat_result | None) -> None:
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".archcalc-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if there is not None and hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.chown(temporary, there.st_uid, there.st_gid)
        os.chmod(temporary, 0o666 & ~_umask() if there is None else stat.S_IMODE(there.st_mode))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
