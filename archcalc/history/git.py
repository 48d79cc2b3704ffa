"""What git says of a repository: its revisions, what changed between them, and their files; nothing is ever written."""

import contextlib
import os
import subprocess
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from archcalc.errors import SettingError, printable

Status: TypeAlias = Literal["added", "deleted", "changed", "renamed"]
_STATUSES: dict[str, Status] = {"A": "added", "D": "deleted", "M": "changed", "T": "changed", "R": "renamed"}
DEFAULT_BRANCHES = ("main", "master")
_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"})
"""What a hook of git or a script may have set: git then takes the folder that it works in for the root."""


class Change(NamedTuple):
    """A file that differs between two revisions, by its path at each, from the folder that git works in."""

    status: Status
    before: str | None
    after: str | None


class Repository:
    """The git repository that contains a folder; raises SettingError if there is none, or git is not installed.

    Paths are relative to that folder, as they are on its command line. `root` is the folder that the repository's own
    paths begin at.
    """

    def __init__(self, folder: str | os.PathLike[str] = ".") -> None:
        self.folder = folder
        self._environment: Mapping[str, str] = {k: v for k, v in os.environ.items() if k not in _ELSEWHERE}
        if self._try("rev-parse", "--show-toplevel") is None and {"GIT_DIR", "GIT_WORK_TREE"} <= os.environ.keys():
            self._environment = os.environ  # a work tree whose repository is elsewhere, known only from the environment
        top = self._git("rev-parse", "--show-toplevel", failure="this folder is not in a git repository")
        self.root = os.path.realpath(os.fsdecode(top).removesuffix("\n"))

    @property
    def superproject(self) -> str | None:
        """The root of the repository that this one is a submodule of, None where it is none."""
        found = os.fsdecode(self._git("rev-parse", "--show-superproject-working-tree")).removesuffix("\n")
        return found or None

    def commit(self, revision: str) -> str:
        """The full hash of a revision; raises SettingError where there is none."""
        found = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found is None:
            hint = f"git fetch origin {revision}" if not self._is_shallow() else _DEEPEN
            raise SettingError(f"unknown git revision {revision!r}", hint=hint)
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
            what = f"found no common ancestor of HEAD and {revision or 'the default branch'}"
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
        raise SettingError("found no default branch, neither main nor master", hint=hint)

    def changes(self, base: str, head: str | None = None) -> list[Change]:
        """The files that differ between two commits, or a commit and the work tree with what git does not track yet."""
        revisions = [base] if head is None else [base, head]
        out = self._git("diff", "--name-status", "-z", "-M", f"-l{_MOST_RENAMES}", "--relative", *revisions, "--")
        words = iter(os.fsdecode(out).split("\0"))
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
            found += [Change("added", None, path) for path in self._untracked()]
        return found

    def changes_of(self, pattern: str, base: str) -> list[str]:
        """The files below the folder whose lines that a regular expression matches are not those of a commit."""
        options = ("--name-only", "-z", "--no-renames", "--text", "--no-textconv", f"-G{pattern}", "--relative")
        return _split(self._git("diff", *options, base, "--"))

    def changed_paths(self, base: str, head: str | None = None) -> set[str]:
        """The paths from the root of all files that differ between two commits, or a commit and the work tree."""
        revisions = [base] if head is None else [base, head]
        found = _split(self._git("diff", "--name-only", "--no-renames", "-z", *revisions, "--", ":/"))
        return {*found, *(self._others() if head is None else ())}

    def everything(self, revision: str | None = None) -> set[str]:
        """The paths from the root of all files of a commit, or of the work tree, also of those not below the folder."""
        if revision is not None:
            return set(_split(self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", revision)))
        return {*_split(self._git("ls-files", "--cached", "--full-name", "-z", "--", ":/")), *self._others()}

    def _others(self) -> list[str]:
        options = ("--others", "--exclude-standard", "--full-name", "-z", "--", ":/")
        return _split(self._git("ls-files", *options))

    def files(self, revision: str | None = None) -> list[str]:
        """The files of a commit, or of the work tree, below the folder."""
        if revision is None:
            return _split(self._git("ls-files", "--cached", "--others", "--exclude-standard", "-z"))
        return _split(self._git("ls-tree", "-r", "-z", "--name-only", revision))

    def inside(self, path: str) -> str | None:
        """A path from the root of the repository, whatever links lead to its root; None for one outside of it.

        Links in the repository stay as they are: the path is the one that git knows a file or a link by.
        """
        whole = absolute(os.path.join(self.folder, path))
        within = os.path.join(self.root, "")
        for folder in (*reversed(Path(whole).parents), Path(whole)):
            real = os.path.join(os.path.realpath(folder), "")
            if real.startswith(within):
                return os.path.normpath(f"{real[len(within) :]}{whole[len(os.fspath(folder)) :].lstrip(os.sep)}")
        return None

    def tree(self, commit: str) -> list[str]:
        """All files of a commit from the root, each as `mode type hash<tab>path`."""
        return _split(self._git("ls-tree", "-r", "-z", "--full-tree", commit))

    def blob(self, hash_: str) -> bytes:
        """The bytes of a file by the hash that git names them by."""
        data = self._objects.read(hash_)
        return self._git("cat-file", "blob", hash_) if data is None else data  # which says why there is none

    @cached_property
    def watched(self) -> frozenset[str]:
        """The files below the folder whose changes git would report: neither ignored nor skipped."""
        return frozenset([path for path, tag in self._tracked.items() if tag in "HM"] + self._untracked())

    @cached_property
    def left_alone(self) -> frozenset[str]:
        """The files below the folder that git is told to skip, such as those outside a sparse checkout."""
        return frozenset(path for path, tag in self._tracked.items() if tag not in "HM")

    @cached_property
    def is_sparse(self) -> bool:
        """Whether only a part of the files is checked out, the others being left alone."""
        return (self._try("config", "--type=bool", "core.sparseCheckout") or b"").strip() == b"true"

    @cached_property
    def _objects(self) -> "_Objects":
        return _Objects(self._command("cat-file", "--batch"), self.folder, self._settings)

    @cached_property
    def _tracked(self) -> dict[str, str]:
        return {line[2:]: line[0] for line in _split(self._git("ls-files", "--cached", "-v", "-z"))}

    def _untracked(self) -> list[str]:
        return _split(self._git("ls-files", "--others", "--exclude-standard", "-z"))

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
                self._command(*arguments),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._settings,
            )
        except FileNotFoundError:
            raise SettingError("git is not installed", hint="install git, or compare two files") from None

    def _command(self, *arguments: str) -> list[str]:
        return ["git", *_SETTINGS, *arguments]

    @property
    def _settings(self) -> dict[str, str]:
        return {**self._environment, "GIT_OPTIONAL_LOCKS": "0"}


class _Objects:
    """Git's objects from one process: a thousand files would start a thousand."""

    def __init__(self, command: list[str], folder: str | os.PathLike[str], settings: Mapping[str, str]) -> None:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            cwd=folder,
            env=settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        weakref.finalize(self, _end, process)

    def read(self, hash_: str) -> bytes | None:
        """An object's bytes; None where git cannot give them."""
        try:
            self._input.write(f"{hash_}\n".encode())
            self._input.flush()
            *_, size = self._output.readline().split() or [b""]
            return self._output.read(int(size) + 1)[:-1] if size.isdigit() else None
        except OSError:
            return None  # it has ended


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.communicate()


# A repository may be part of what is judged: none that lies bare in it counts, it names no program to be run, and it
# does not make git take a changed file for one that is as it was.
_SETTINGS = tuple(
    part
    for setting in (
        "core.quotepath=off",
        "safe.bareRepository=explicit",
        "core.fsmonitor=false",
        "core.trustctime=true",
        "core.checkStat=default",
    )
    for part in ("-c", setting)
)
_MOST_RENAMES = 5000  # beyond it git finds only those that were not changed
_DEEPEN = "the clone is shallow: `git fetch --unshallow`, or `fetch-depth: 0` in GitHub's checkout action"


def absolute(path: str) -> str:
    """A path from the root of the file system, without `.` and `..`; of links only those before a `..` are resolved.

    >>> absolute("/models/./old/../net.yaml")
    '/models/net.yaml'
    """
    whole = os.getcwd() if not os.path.isabs(path) else os.sep
    for part in path.split(os.sep):
        if part == "..":
            whole = os.path.dirname(os.path.realpath(whole) if os.path.islink(whole) else whole)
        elif part not in ("", "."):
            whole = os.path.join(whole, part)
    return whole


def _split(out: bytes) -> list[str]:
    return [path for path in os.fsdecode(out).split("\0") if path]
