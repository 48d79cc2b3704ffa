"""The shipped specs, and how a name, a file or standard input becomes an Architecture."""

import contextlib
import os
import re
from collections.abc import Callable
from typing import TypeAlias

from archcalc.errors import Problem, SettingError, SpecError, did_you_mean
from archcalc.spec.architecture import Architecture, read
from archcalc.spec.evaluation import some
from archcalc.spec.files import read_file, read_plain_file
from archcalc.spec.inheritance import extended
from archcalc.spec.precompiled import shipped_files, tree_of
from archcalc.spec.source import Document, problem_at

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENDINGS = (".yaml", ".yml", ".json")
STANDARD_BLOCKS = os.path.join("standard", "blocks.yaml")
MAX_EXTENDS = 16
Reader: TypeAlias = Callable[[str], Document]


def specs_directory() -> str:
    """Where the shipped specs lie: inside an installed package, or beside it in a source tree."""
    inside = os.path.join(_PACKAGE, "specs")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(_PACKAGE), "specs")


def is_shipped(file: str) -> bool:
    """Whether a document's name is that of a shipped spec, or of the standard blocks."""
    return file.startswith(os.path.join(specs_directory(), ""))


def read_shipped(file: str) -> Document:
    """The document of a shipped spec, with its tree."""
    document = read_file(os.path.join(specs_directory(), file))
    document.tree = tree_of(document, file)
    return document


def file_and_variant(what: str) -> tuple[str, str | None] | None:
    """The file that `what` names by its ending, in capitals or not, and the variant in it; None for a name.

    >>> file_and_variant("net.YAML:small"), file_and_variant("vgg16")
    (('net.YAML', 'small'), None)
    """
    if "." not in what:
        return None
    found = re.fullmatch(r"(.*\.(?:yaml|yml|json))(?::(.*))?", what, flags=re.DOTALL | re.IGNORECASE)
    return None if found is None else (found[1], found[2])


def names() -> tuple[str, ...]:
    """The names of the shipped architectures: a family's variants under names of their own.

    >>> "alexnet" in names() and "resnet50" in names()
    True
    """
    return tuple(shipped_files())


def shipped_spec_files() -> list[str]:
    """The files of shipped specs, in the folder of them: one for each family, and the blocks that all may call."""
    folder = specs_directory()
    return [*sorted(file for file in os.listdir(folder) if file.endswith(".yaml")), STANDARD_BLOCKS]


def shipped_texts() -> list[str]:
    """The texts of all shipped specs."""
    return [read_file(os.path.join(specs_directory(), file)).text for file in shipped_spec_files()]


def find(what: str, within: tuple[str, ...] = (), reader: Reader = read_file) -> Architecture:
    """The architecture that `what` names: a shipped one, a file, or `-` for standard input.

    One of a family in a file is named `file.yaml:variant`. A shipped name wins over a file of that name; `./alexnet`
    is always the file. Raises SpecError if it does not exist or cannot be read; problems inside it are
    kept for the analysis. `within` are the files that extend it, one after the other; `reader` gives the document at a
    path, of any file that is not shipped.
    """
    shipped = _shipped_file(what)
    if shipped is not None:
        family = read_extending(read_shipped(shipped), within)
        return _variant(family, what if what in family.variants else None, family.document.name)
    file = file_and_variant(what)
    # What a spec extends must not depend on the folder that the command runs in.
    if what == "-" or os.sep in what or file or (not within and os.path.exists(what)):
        path, variant = file or (what, None)
        return _variant(read_extending(reader(path), within, reader), variant, path)
    known = names()
    hint = did_you_mean(what, known, f"shipped: {some(known)}; a file needs its ending or a slash")
    raise SpecError([Problem(f"no architecture or file named {what!r}", hint=hint)])


def find_all(path: str, reader: Reader = read_file) -> dict[str | None, Architecture]:
    """The architectures of a file by the names of its variants, or by None the only one.

    >>> import os
    >>> list(find_all(os.path.join(specs_directory(), "alexnet.yaml")))
    [None]
    """
    family = read_extending(reader(path), (), reader)
    return {name: family.variant(name) for name in family.variants} or {None: family}


def has_ending(path: str) -> bool:
    """Whether a file's name ends as those of specs do.

    >>> has_ending("net.YAML"), has_ending("net.toml")
    (True, False)
    """
    return path.lower().endswith(ENDINGS)


def base_of(document: Document, base: str) -> str:
    """What a spec extends, as `find` takes it: a file is relative to the spec, and has an ending or a slash."""
    is_file = file_and_variant(base) or os.sep in base
    return os.path.join(os.path.dirname(document.name), base) if is_file else base


def find_text(what: str) -> str:
    """The text of the spec that `what` names, be it a family or one of it."""
    shipped = _shipped_file(what)
    path = what if shipped is None else os.path.join(specs_directory(), shipped)
    return read_file(path).text if path == "-" or os.path.exists(path) else find(what).text


def _shipped_file(what: str) -> str | None:
    """The file of a shipped architecture, or of a family by its own name."""
    file = f"{what}.yaml"
    if os.sep not in what and os.path.isfile(os.path.join(specs_directory(), file)):
        return file
    return shipped_files().get(what)


def named(what: str | os.PathLike[str]) -> str:
    """What `find` takes: of a path one that no shipped name hides. Raises SettingError for anything else.

    >>> from pathlib import Path
    >>> named("alexnet"), named(Path("alexnet"))
    ('alexnet', './alexnet')
    """
    path = what if isinstance(what, str | bytes) or not isinstance(what, os.PathLike) else os.fspath(what)
    if not isinstance(path, str):
        raise SettingError(
            f"cannot load a {type(path).__name__}", hint="give the name of a shipped architecture, or a path"
        )
    return path if path is what or os.sep in path or file_and_variant(path) else os.path.join(os.curdir, path)


def read_extending(document: Document, within: tuple[str, ...] = (), reader: Reader = read_file) -> Architecture:
    """The architecture of a document, with what it extends; `within` and `reader` are those of `find`."""
    own = _read_base(document, within) if within else read(document)
    if own.extends is None:
        return own
    if own.extends.text == "-":
        message = "a spec extends a file or a shipped architecture, not standard input"
        raise SpecError([problem_at(own.extends, message)])
    base, tree = base_of(document, own.extends.text), own.extends
    chain = (*within, document.name)
    if len(chain) > MAX_EXTENDS or os.path.normpath(document.name) in map(os.path.normpath, within):
        raise SpecError([problem_at(tree, f"extends itself: {' → '.join(chain)}", "remove the cycle")])
    try:
        return extended(own, find(base, chain, read_plain_file if reader is read_file else reader))
    except SpecError as error:
        raise SpecError([p if p.location else problem_at(tree, p.message, p.hint) for p in error.problems]) from None


def _read_base(document: Document, within: tuple[str, ...]) -> Architecture:
    """The architecture of a document that another extends.

    A spec may come from anybody and name any file, and messages may be read by everybody. They say nothing about a file
    that is not a spec, and show no line of one that is neither below the working directory nor beside the spec.
    """
    homes = (os.getcwd(), os.path.dirname(os.path.abspath(within[0])), specs_directory())
    path = os.path.realpath(document.name)
    document.is_private = not any(path.startswith(os.path.join(os.path.realpath(home), "")) for home in homes)
    with contextlib.suppress(SpecError):
        own = read(document)
        if own.entries or own.replace or own.extends is not None:
            return own
    raise SpecError(
        [Problem(f"{document.name} is not a valid spec", hint=f"`archcalc table {document.name}` shows why")]
    )


def _variant(family: Architecture, name: str | None, path: str) -> Architecture:
    if name is None and not family.variants:
        return family
    if name is not None and name in family.variants:
        return family.variant(name)
    if not family.variants:
        raise SpecError([Problem(f"{path} has no variants", hint="give only the file name")])
    known = f"its variants: {some(family.variants)}"
    if name is None:
        shipped = path.startswith(specs_directory())
        how = "name one of them" if shipped else f"name one of them, such as {path}:{next(iter(family.variants))}"
        raise SpecError([Problem(f"{family.name} is a family; {known}", hint=how)])
    raise SpecError([Problem(f"{path} has no variant {name!r}", hint=did_you_mean(name, family.variants, known))])
