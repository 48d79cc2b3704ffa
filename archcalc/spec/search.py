"""Files below a folder: those that a pattern matches, and those that are specs. Every link is followed, and once."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch

from archcalc.errors import SettingError, SpecError
from archcalc.spec.catalogue import has_ending
from archcalc.spec.files import read_file
from archcalc.spec.recognition import is_spec

ANY_DEPTH = "**"


def matching(folder: str, pattern: str, *, hidden: bool = True) -> list[str]:
    """The files below `folder` that a pattern matches, in order; `**` is any number of folders, or all below one.

    Without `hidden`, `**` enters no folder whose name begins with a dot. A link that leads nowhere counts as a file, so
    that missing ones are reported. Raises SettingError if a folder cannot be read.

    >>> matching(os.path.dirname(__file__), "sea*.py") == [__file__]
    True
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    found: set[str] = set()
    # A link is followed once, because links may be circular; files in the folders themselves come first.
    folders, linked, followed = [(folder, 0)], list[tuple[str, int]](), set[tuple[str, int]]()
    while folders or linked:
        inside, at = folders.pop() if folders else linked.pop(0)
        part, is_last = parts[at], at == len(parts) - 1
        if part == ANY_DEPTH and not is_last:
            folders.append((inside, at + 1))
        for path in _entries(inside, part):
            following = at if part == ANY_DEPTH else at + 1
            if not os.path.isdir(path):
                if is_last and (os.path.isfile(path) or not os.path.exists(path)):
                    found.add(path)
            elif following == len(parts) or (part == ANY_DEPTH and not hidden and _is_hidden(path)):
                continue
            elif not os.path.islink(path):
                folders.append((path, following))
            elif (link := (os.path.join(os.path.realpath(inside), os.path.basename(path)), following)) not in followed:
                followed.add(link)
                linked.append((path, following))
    return sorted(found)


def specs_matching(folder: str, pattern: str = ANY_DEPTH) -> list[str]:
    """The specs below `folder`, hidden folders left out, or those files that a pattern without `**` at its end names.

    A file that cannot be read counts, so that the reader says why.
    """
    if pattern.split("/")[-1] != ANY_DEPTH:
        return matching(folder, pattern)
    return [path for path in matching(folder, pattern, hidden=False) if has_ending(path) and _is_spec(path)]


def _entries(folder: str, part: str) -> Iterator[str]:
    """The paths in a folder that one part of a pattern matches."""
    if not any(sign in part for sign in "*?["):
        path = part if folder == os.curdir else os.path.join(folder, part)
        return iter([path] if os.path.lexists(path) else [])
    try:
        names = os.listdir(folder)
    except OSError as error:
        hint = "leave it out of the pattern, or make it readable"
        raise SettingError(f"the folder {folder} cannot be read: {error.strerror}", hint=hint) from None
    inside = (name for name in names if part == ANY_DEPTH or fnmatch(name, part))
    return (name if folder == os.curdir else os.path.join(folder, name) for name in inside)


def _is_hidden(path: str) -> bool:
    return os.path.basename(path).startswith(".")


def _is_spec(path: str) -> bool:
    if not os.access(path, os.R_OK):
        return True
    try:
        return is_spec(read_file(path))
    except SpecError:
        return False
