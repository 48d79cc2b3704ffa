"""The files of a commit, found as a file system finds them: a link leads on to what it names in the same commit."""

import hashlib
import os
from typing import NamedTuple

from archcalc.errors import Problem, SpecError
from archcalc.history.git import Repository
from archcalc.spec.files import MAX_BYTES, text_of
from archcalc.spec.source import Document

_LINK, _SUBMODULE = "120000", "160000"
_MAX_LINKS = 40  # as many as Linux follows


class _Entry(NamedTuple):
    mode: str
    hash: str


class Snapshot:
    """The files of a commit by their paths from the root of the repository, absolute ones by where they lie.

    Raises SettingError where git does not have the commit's files.
    """

    def __init__(self, repository: Repository, commit: str) -> None:
        self.repository, self.commit = repository, commit
        self._entries: dict[str, _Entry] = {}
        for line in repository.tree(commit):
            about, _, path = line.partition("\t")
            mode, _, hash_ = about.split(" ")
            self._entries[path] = _Entry(mode, hash_)
        self._folders = {folder for path in self._entries for folder in _parents(path)}

    def is_link(self, path: str) -> bool:
        """Whether a path of the commit is a link itself."""
        entry = self._entries.get(path)
        return entry is not None and entry.mode == _LINK

    def link_target(self, path: str) -> str | None:
        """Where a link of the commit leads; None for what is no link."""
        return os.fsdecode(self.repository.blob(self._entries[path].hash)) if self.is_link(path) else None

    def has(self, path: str) -> bool:
        """Whether a file existed; raises SpecError if this commit does not say: in a submodule, or outside."""
        return self._find(path) is not None

    def document(self, path: str) -> Document:
        """The text of a file; raises SpecError if it did not exist, is not text, or cannot be determined."""
        entry = self._find(path)
        if entry is None:
            raise SpecError([Problem(f"{path} does not exist at {self.commit[:10]}")])
        data = self._same_here(path, entry.hash)
        return text_of(self.repository.blob(entry.hash) if data is None else data, f"{path}@{self.commit[:10]}")

    def _find(self, path: str) -> _Entry | None:
        """The file that a path resolves to, None if there is none."""
        links = 0
        at: list[str] = []
        ahead = self._parts(path, path)
        while ahead:
            part = ahead.pop()
            if part == "..":
                if not at:
                    raise _unknowable(f"{path} is a link out of the repository")
                at.pop()
                continue
            here = "/".join((*at, part))
            entry = self._entries.get(here)
            if entry is None and here in self._folders:
                at.append(part)
            elif entry is None:
                return None
            elif entry.mode == _SUBMODULE:
                raise _unknowable(f"{path} is in the submodule {here}, whose files are not part of the repository")
            elif entry.mode == _LINK:
                links += 1
                if links > _MAX_LINKS:
                    raise _unknowable(f"{path} is a circular link")
                target = os.fsdecode(self.repository.blob(entry.hash))
                at = [] if os.path.isabs(target) else at
                ahead += self._parts(target, path)
            else:
                return None if ahead else entry
        return None

    def _parts(self, path: str, whole: str) -> list[str]:
        """The steps of a path, the first one last."""
        if os.path.isabs(path):
            inside = self.repository.inside(path)
            if inside is None:
                raise _unknowable(f"{whole} is a link out of the repository")
            path = inside
        return [part for part in reversed(path.split("/")) if part not in ("", ".")]

    def _same_here(self, path: str, hash_: str) -> bytes | None:
        """The bytes of the present file, if they have this git hash, so that git need not be asked."""
        here = os.path.join(self.repository.root, path)
        if not os.path.isfile(here):
            return None
        try:
            with open(here, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        method = hashlib.sha1 if len(hash_) == 40 else hashlib.sha256
        found = method(b"blob %d\0" % len(data) + data, usedforsecurity=False)
        return data if found.hexdigest() == hash_ else None


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _unknowable(message: str) -> SpecError:
    return SpecError([Problem(message)])
