"""Which files a spec depends on: what it extends, and the links on the way to it."""

import os
from collections.abc import Callable, Iterable

from archcalc.errors import SpecError
from archcalc.history.git import Repository
from archcalc.history.snapshot import Snapshot
from archcalc.spec.catalogue import Reader, has_ending
from archcalc.spec.recognition import file_extended_by

_MAX_LINKS = 40
_MAX_DEPTH = 100

LinkTarget = Callable[[str], str | None]
"""Where a link leads, by its path from the root of the repository; None for what is no link."""


def targets(repository: Repository, head: str | None) -> LinkTarget:
    """The links of a commit, or of the work tree."""
    if head is not None:
        return Snapshot(repository, head).link_target

    def target(path: str) -> str | None:
        whole = os.path.join(repository.root, path)
        return os.readlink(whole) if os.path.islink(whole) else None

    return target


def on_the_way(path: str, target: LinkTarget) -> tuple[str, ...]:
    """The links on the way to a file, and last the file itself; outside of the repository it begins with `/` or `..`.

    >>> on_the_way("m/net.yaml", {"m": "models", "models/net.yaml": "../base.yaml"}.get)
    ('m', 'models/net.yaml', 'base.yaml')
    """
    links: list[str] = []
    at: list[str] = []
    ahead = path.split("/")[::-1]
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == ".." and at and at[-1] != "..":
            at.pop()
            continue
        here = "/".join((*at, part))
        found = None if part == ".." else target(here)
        if found is None:
            at.append(part)
            continue
        links.append(here)
        if os.path.isabs(found) or len(links) > _MAX_LINKS:
            return (*links, found)
        ahead += found.split("/")[::-1]
    return (*links, "/".join(at))


def dependants(
    repository: Repository, head: str | None, reader: Reader, changed: Iterable[str]
) -> tuple[list[str], list[str]]:
    """The specs that depend on changed files, and notes on those whose changes cannot be seen.

    `changed` are paths from the root of the repository; the specs are those below the folder, by their paths from it.
    """
    all_changed, target = set(changed), targets(repository, head)
    tracked = {path for name in repository.files(head) if (path := repository.inside(name)) is not None}
    known = tracked | repository.everything(head)
    affected: list[str] = []
    notes: list[str] = []
    for name in repository.files(head):
        path = repository.inside(name)
        if path is None or not has_ending(name):
            continue
        read, unseen = _read_through(repository, name, target, reader, known)
        if read & all_changed - {path}:
            affected.append(name)
        elif unseen is not None and unseen != path:
            notes.append(f"{name} depends on {unseen}, which git does not track here: a change to it is not seen")
    return affected, notes


def _read_through(
    repository: Repository, name: str, target: LinkTarget, reader: Reader, known: set[str]
) -> tuple[set[str], str | None]:
    """All paths that a spec is read through, and the first that is not one of the known files."""
    read: set[str] = set()
    following: str | None = name
    for _ in range(_MAX_DEPTH):
        path = None if following is None else repository.inside(following)
        if following is not None and path is None:
            return read, following
        if path is None or path in read:
            break
        way = on_the_way(path, target)
        read |= {*way, path}
        if way[-1] not in known:
            return read, way[-1]
        try:
            following = file_extended_by(reader(following or ""))
        except SpecError:
            break  # deleted in the work tree, or no text
    return read, None
