"""Where output goes: standard output, plain or in colour, or a file, which is written whole or not at all."""

import os
import sys
from collections.abc import Sequence

from archcalc.errors import ArchcalcError
from archcalc.render.grid import Grid, narrowed
from archcalc.render.text import plain


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
        from archcalc.render import markup

        write(getattr(markup, form)(grid), path)
    elif path is not None:
        write(plain(grid), path)
    else:
        width = terminal_width()
        show_grid(*((grid, 2) if width is None else narrowed(grid, width)))


def print_grids(grids: Sequence[Grid], path: str | None = None) -> None:
    """Print tables one below the other, fitted to the terminal, to standard output or a file."""
    if path is not None or terminal_width() is None:
        write("\n".join(map(plain, grids)), path)
        return
    for i, grid in enumerate(grids):
        write("\n" if i else "")
        print_grid(grid, "table")


def write(content: str | bytes, path: str | None = None) -> None:
    """Write text or bytes to standard output, or to a file in one step, so that none is ever half-written."""
    if path is None:
        try:
            if isinstance(content, str):
                sys.stdout.write(content)
            else:
                sys.stdout.buffer.write(content)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ArchcalcError(f"cannot write to standard output: {error.strerror}") from None
        return
    import tempfile

    folder = os.path.dirname(os.path.abspath(path))
    try:
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o666 & ~_umask()
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise ArchcalcError(f"cannot write {path}: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
