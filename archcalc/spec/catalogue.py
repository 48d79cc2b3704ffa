"""The shipped specs, and how a name, a file or standard input becomes an Architecture."""

import os

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec.architecture import Architecture, read
from archcalc.spec.source import read_file

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENDINGS = (".yaml", ".yml", ".json")


def specs_directory() -> str:
    """Where the shipped specs lie: inside an installed package, or beside it in a source tree."""
    inside = os.path.join(_PACKAGE, "specs")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(_PACKAGE), "specs")


def names() -> tuple[str, ...]:
    """The names of the shipped architectures.

    >>> "alexnet" in names()
    True
    """
    return tuple(sorted(file[:-5] for file in os.listdir(specs_directory()) if file.endswith(".yaml")))


def find(what: str) -> Architecture:
    """The architecture that `what` names: a shipped one, a file, or `-` for standard input.

    A shipped name wins over a file of that name; `./alexnet` is always the file. Raises SpecError where there is
    none such, or where it cannot be read; problems inside it are kept for the analysis.
    """
    shipped = os.path.join(specs_directory(), f"{what}.yaml")
    if os.sep not in what and os.path.isfile(shipped):
        return read(read_file(shipped))
    if what == "-" or os.sep in what or what.endswith(ENDINGS) or os.path.exists(what):
        return read(read_file(what))
    hint = did_you_mean(what, names(), f"shipped: {', '.join(names())}; a file is named with its ending or a slash")
    raise SpecError([Problem(f"no architecture or file is called {what!r}", hint=hint)])


def load(what: str) -> Architecture:
    """Read an architecture: a shipped one by name, a YAML or JSON file by its path, or `-` for standard input.

    Raises SpecError with all problems found while reading. What only shows with values (an unknown variable, a
    kernel larger than its input) is raised by `analyze`.

    >>> load("vgg16").name
    'vgg16'
    >>> load("zfnte")
    Traceback (most recent call last):
    ...
    archcalc.errors.SpecError: error: no architecture or file is called 'zfnte'
      hint: did you mean zfnet?
    """
    architecture = find(what)
    if architecture.problems:
        raise SpecError(architecture.problems)
    return architecture
