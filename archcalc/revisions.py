"""Specs as they were: files at a git revision, read by git itself; the work tree is never touched."""

import os
import subprocess
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from archcalc.errors import SettingError, printable
from archcalc.spec.files import text_of
from archcalc.spec.source import Document

Status: TypeAlias = Literal["added", "deleted", "changed", "renamed"]
_STATUSES: dict[str, Status] = {"A": "added", "D": "deleted", "M": "changed", "T": "changed", "R": "renamed"}
DEFAULT_BRANCHES = ("main", "master")


class Change(NamedTuple):
    """A file that differs between two revisions, by its path at each, from the folder that git works in."""

    status: Status
    before: str | None
    after: str | None


class Repository:
    """The git repository that a folder lies in; raises SettingError where it is in none, or git is not installed.

    Paths are relative to that folder, as they are on its command line.
    """

    def __init__(self, folder: str | os.PathLike[str] = ".") -> None:
        self.folder = folder
        self._git("rev-parse", "--show-toplevel", failure="this folder is in no git repository")

    def commit(self, revision: str) -> str:
        """The full hash of a revision; raises SettingError where there is none."""
        found = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found is None:
            hint = f"git fetch origin {revision}" if not self._is_shallow() else _DEEPEN
            raise SettingError(f"git knows no revision {revision!r}", hint=hint)
        return found.decode().strip()

    def has_revision(self, name: str) -> bool:
        """Whether git takes a name for a revision."""
        return self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") is not None

    def merge_base(self, revision: str | None = None) -> str:
        """The commit that HEAD and a revision (by default the default branch) both descend from.

        Raises SettingError where there is none, such as in a shallow clone that does not reach back to it.
        """
        other = self.commit(revision or self._default_branch())
        head = self.commit("HEAD")
        found = self._try("merge-base", other, head)
        if found is None:
            what = f"git knows no common ancestor of HEAD and {revision or 'the default branch'}"
            raise SettingError(what, hint=_DEEPEN if self._is_shallow() else "name a base that HEAD descends from")
        return found.decode().strip()

    def _default_branch(self) -> str:
        remote = self._try("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
        candidates = [remote.decode().strip()] if remote else []
        candidates += [f"refs/remotes/origin/{name}" for name in DEFAULT_BRANCHES]
        candidates += [f"refs/heads/{name}" for name in DEFAULT_BRANCHES]
        for candidate in candidates:
            if self.has_revision(candidate):
                return candidate
        hint = _DEEPEN if self._is_shallow() else "name the base, such as `archcalc diff origin/develop`"
        raise SettingError("git knows no default branch here, neither main nor master", hint=hint)

    def document(self, path: str, revision: str) -> Document | None:
        """The text of a file at a revision, None where it was not there; raises SpecError where it is no text."""
        found = self._try("cat-file", "blob", f"{revision}:{self._from_root(path)}")
        return None if found is None else text_of(found, f"{path}@{revision[:10]}")

    def changes(self, base: str, head: str | None = None, paths: tuple[str, ...] = ()) -> list[Change]:
        """The files that differ between two commits, or a commit and the work tree with what git does not track yet."""
        revisions = [base] if head is None else [base, head]
        out = self._git("diff", "--name-status", "-z", "-M", "--relative", *revisions, "--", *paths)
        words = iter(out.decode("utf-8", "surrogateescape").split("\0"))
        found = []
        for letter in words:
            if not letter:
                break
            status = _STATUSES.get(letter[0], "changed")
            before = next(words)
            after = next(words) if letter[0] in "RC" else before
            if letter[0] == "C":
                status, before = "added", after
            found.append(Change(status, None if status == "added" else before, None if status == "deleted" else after))
        if head is None:
            new = self._git("ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
            found += [Change("added", None, path) for path in _split(new)]
        return found

    def files(self, revision: str | None = None) -> list[str]:
        """The files of a commit, or of the work tree, below the folder."""
        if revision is None:
            return _split(self._git("ls-files", "--cached", "--others", "--exclude-standard", "-z"))
        return _split(self._git("ls-tree", "-r", "-z", "--name-only", revision))

    def holds(self, path: str) -> bool:
        """Whether a path lies in the repository, be there a file or not."""
        return not self._from_root(path).startswith("../")

    def _from_root(self, path: str) -> str:
        """A path as git names it at a revision: from the root of the repository."""
        root = self._git("rev-parse", "--show-toplevel").decode("utf-8", "surrogateescape").rstrip("\n")
        whole = os.path.realpath(os.path.join(self.folder, path))
        return os.path.relpath(whole, os.path.realpath(root)).replace(os.sep, "/")

    def _is_shallow(self) -> bool:
        return (self._try("rev-parse", "--is-shallow-repository") or b"").strip() == b"true"

    def _try(self, *arguments: str) -> bytes | None:
        """What git prints, None where it fails."""
        result = self._run(*arguments)
        return result.stdout if result.returncode == 0 else None

    def _git(self, *arguments: str, failure: str = "") -> bytes:
        result = self._run(*arguments)
        if result.returncode:
            said = printable(result.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
            raise SettingError(failure or f"git {arguments[0]} failed: {said}", hint=said if failure else None)
        return result.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", "-c", "core.quotepath=off", *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            )
        except FileNotFoundError:
            raise SettingError("git is not installed", hint="install git, or compare two files") from None


_DEEPEN = "the clone is shallow: `git fetch --unshallow`, or `fetch-depth: 0` in GitHub's checkout action"


def merge_base(revision: str | None = None) -> str:
    """The commit that HEAD and a revision (by default the default branch) both descend from, in this folder."""
    return Repository().merge_base(revision)


def spec_at(path: str | Path, revision: str) -> Document | None:
    """The text of a file at a revision, in this folder; None where it was not there."""
    return Repository().document(os.fspath(path), revision)


def _split(out: bytes) -> list[str]:
    return [path for path in out.decode("utf-8", "surrogateescape").split("\0") if path]
