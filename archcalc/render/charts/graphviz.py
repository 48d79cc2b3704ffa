"""DOT → SVG and PNG, drawn by Graphviz."""

import shutil
import subprocess

from archcalc.errors import ArchcalcError

PROGRAM = "dot"


def drawn(text: str, form: str) -> bytes:
    """The picture that DOT text describes, as svg or png; raises ArchcalcError where Graphviz is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise ArchcalcError(
            f"{form} needs Graphviz, but there is no program {PROGRAM!r} on the PATH",
            hint="install it (apt install graphviz, brew install graphviz, or graphviz.org/download), "
            "or use --format mermaid or dot, which do not need it",
        )
    try:
        done = subprocess.run([program, f"-T{form}"], input=text.encode(), capture_output=True)
    except OSError as error:
        raise ArchcalcError(f"cannot run {program}: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ArchcalcError(
            f"{program} failed with exit code {done.returncode}: {said}", hint="check that Graphviz is fully installed"
        )
    return done.stdout
