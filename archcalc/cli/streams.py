"""The standard streams of the process: that one is closed or full changes no exit code but that of a failed write."""

import io
import os
import sys
from typing import Any, TextIO

from archcalc.errors import ArchcalcError


class _Output(io.FileIO):
    """Standard output. That nobody reads on, as after `| head`, is no error; that it cannot be written is one."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)
        except OSError as error:
            raise ArchcalcError(f"cannot write to standard output: {error.strerror}") from None


class _Complaints(io.FileIO):
    """Standard error. A message that cannot be written is dropped; the exit code still says what happened."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def open_streams() -> None:
    """Let the standard streams of this process heed the rules above; a closed one becomes the null device.

    Otherwise the next file that is opened would take its number, and be written to.
    """
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
    sys.stdout = _opened(sys.stdout, _Output(1, "wb", closefd=False))
    sys.stderr = _opened(sys.stderr, _Complaints(2, "wb", closefd=False))


def _opened(stream: TextIO | None, raw: io.FileIO) -> TextIO:
    # A terminal or file that knows no × or · gets a ? rather than an error.
    if stream is not None and stream.isatty():
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
        return stream
    encoding = "utf-8" if stream is None else stream.encoding
    lines = raw.fileno() == 2
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors="replace", line_buffering=lines)
