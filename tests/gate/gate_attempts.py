"""Ways to slip in a heavier model: what stands in a repository, what a branch does to it, what the gate must say."""

from collections.abc import Callable
from typing import NamedTuple

from tests.git_repository import Repo

LIGHT, HEAVY = 100, 900
"""Parameters: those of the spec as it was, and as it is slipped in."""


def net(params: int, name: str = "net", layers: str = "") -> str:
    return f"name: {name}\ninput: [99]\nlayers:\n  - linear: {{name: last, features: {params // 100}}}\n{layers}"


def family(**variants: int) -> str:
    listed = "".join(f"  {name}: {{width: {params // 100}}}\n" for name, params in variants.items())
    return f"name: net\ninput: [99]\nvars: {{width: 1}}\nvariants:\n{listed}layers:\n  - linear: width\n"


def heavier(repo: Repo, path: str = "models/net.yaml") -> None:
    repo.write(path, net(HEAVY))


def link(repo: Repo, path: str, target: str) -> None:
    whole = repo.folder / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.unlink(missing_ok=True)
    whole.symlink_to(target)


def submodule(repo: Repo, text: str) -> None:
    library = Repo(repo.folder.parent / "library")
    library.write("net.yaml", text)
    library.commit()
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.folder), "library")


class Attempt(NamedTuple):
    """What stands in the repository, what a branch then does to it, the spec that is checked, and what comes of it."""

    before: tuple[Callable[[Repo], object], ...]
    change: Callable[[Repo], object]
    spec: str = "models/net.yaml"
    rule: str = "AC301"
    said: str = "800 (800.0 %) more than the 100 of the base"


ATTEMPTS: dict[str, Attempt] = {}


def attempt(*before: Callable[[Repo], object], **expected: str) -> Callable[[Callable[[Repo], object]], None]:
    def register(change: Callable[[Repo], object]) -> None:
        ATTEMPTS[change.__name__.strip("_").replace("_", " ")] = Attempt(before, change, **expected)

    return register


@attempt()
def _a_layer_grows(repo: Repo) -> None:
    heavier(repo)
    repo.commit()


@attempt()
def _what_is_not_committed(repo: Repo) -> None:
    heavier(repo)
