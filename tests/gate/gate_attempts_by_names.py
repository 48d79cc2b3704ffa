"""Attempts with files that git does not track, and by other names of files and variants."""

import json
import os

from tests.gate.gate_attempts import HEAVY, LIGHT, attempt, family, heavier, link, net, submodule
from tests.git_repository import Repo

# Files that git does not track


@attempt(
    lambda repo: submodule(repo, net(LIGHT)),
    spec="library/net.yaml",
    rule="AC903",
    said="library/net.yaml is in the submodule library",
)
def _a_file_of_a_submodule_grows(repo: Repo) -> None:
    heavier(repo, "library/net.yaml")


@attempt(spec="library/net.yaml", rule="AC903", said="git does not track")
def _a_submodule_comes(repo: Repo) -> None:
    submodule(repo, net(HEAVY))
    repo.commit()


@attempt(
    lambda repo: submodule(repo, net(LIGHT)),
    lambda repo: repo.write("mine.yaml", "extends: library/net.yaml\n"),
    spec="mine.yaml",
    rule="AC903",
    said="library/net.yaml is in the submodule library",
)
def _it_extends_a_file_of_a_submodule(repo: Repo) -> None:
    heavier(repo, "library/net.yaml")


@attempt(
    lambda repo: repo.write(".gitignore", "/cache/\n"),
    lambda repo: repo.write("cache/net.yaml", net(LIGHT)),
    spec="cache/net.yaml",
    rule="AC903",
    said="cache/net.yaml does not exist there, and now is a file that git does not track",
)
def _a_file_that_git_ignores_grows(repo: Repo) -> None:
    heavier(repo, "cache/net.yaml")


@attempt()
def _git_is_told_to_leave_it_alone(repo: Repo) -> None:
    repo.git("update-index", "--skip-worktree", "models/net.yaml")
    heavier(repo)


@attempt()
def _git_is_told_that_it_is_unchanged(repo: Repo) -> None:
    repo.git("update-index", "--assume-unchanged", "models/net.yaml")
    heavier(repo)


@attempt(spec="new.yaml", rule="AC903", said="git does not track")
def _git_is_told_to_leave_a_new_file_alone(repo: Repo) -> None:
    repo.write("new.yaml", net(HEAVY))
    repo.commit()
    repo.git("update-index", "--skip-worktree", "new.yaml")


@attempt()
def _its_times_and_its_size_stay(repo: Repo) -> None:
    path = repo.folder / "models/net.yaml"
    times = path.stat()
    heavier(repo)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@attempt()
def _it_is_ignored_from_now_on(repo: Repo) -> None:
    repo.write(".gitignore", "/models/\n")
    repo.git("rm", "-q", "--cached", "models/net.yaml")
    heavier(repo)
    repo.commit()


@attempt(lambda repo: repo.write("sub/deeper/net.yaml", net(LIGHT)), spec="sub/deeper/net.yaml")
def _a_sparse_checkout(repo: Repo) -> None:
    repo.git("sparse-checkout", "set", "--no-cone", "/models/", "/sub/")
    repo.write("sub/deeper/net.yaml", net(HEAVY))
    repo.commit()


# Other names


LONG = "  - relu\n" * 20


@attempt(lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)), spec="sub/new.yaml")
def _it_moves(repo: Repo) -> None:
    repo.git("mv", "models/old.yaml", "sub/new.yaml")
    repo.write("sub/new.yaml", net(HEAVY, layers=LONG))
    repo.commit()


@attempt(lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)), spec="sub/new.yaml")
def _it_moves_and_git_is_not_told(repo: Repo) -> None:
    (repo.folder / "models/old.yaml").unlink()
    repo.write("sub/new.yaml", net(HEAVY, layers=LONG))


@attempt(spec="models/NET.yaml")
def _its_name_changes_case_and_its_text_changes(repo: Repo) -> None:
    repo.git("rm", "-q", "models/net.yaml")
    repo.write("models/NET.yaml", "{input: [99], layers: [relu, relu, {linear: 9}]}\n")
    repo.commit()


@attempt(spec="models/net.json")
def _it_becomes_json(repo: Repo) -> None:
    repo.git("rm", "-q", "models/net.yaml")
    repo.write("models/net.json", json.dumps({"input": [99], "layers": [{"linear": {"features": 9}}]}))
    repo.commit()


@attempt(lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)), spec="sub/new.yaml")
def _it_moves_and_a_link_to_it_comes(repo: Repo) -> None:
    repo.git("mv", "models/old.yaml", "models/moved.yaml")
    repo.write("models/moved.yaml", net(HEAVY, layers=LONG))
    link(repo, "sub/new.yaml", "../models/moved.yaml")
    repo.commit()


# Variants


@attempt(lambda repo: repo.write("models/net.yaml", family(small=LIGHT, large=LIGHT)))
def _a_variant_grows(repo: Repo) -> None:
    repo.write("models/net.yaml", family(small=LIGHT, large=HEAVY))
    repo.commit()


@attempt(lambda repo: repo.write("models/net.yaml", family(small=LIGHT, large=LIGHT)))
def _a_variant_gets_another_name(repo: Repo) -> None:
    repo.write("models/net.yaml", family(small=LIGHT, huge=HEAVY))
    repo.commit()


@attempt(
    lambda repo: repo.write("models/net.yaml", family(small=LIGHT, large=LIGHT)),
)
def _all_variants_get_other_names(repo: Repo) -> None:
    repo.write("models/net.yaml", family(tiny=LIGHT, huge=HEAVY))
    repo.commit()


@attempt()
def _it_becomes_a_family(repo: Repo) -> None:
    repo.write("models/net.yaml", family(default=HEAVY))
    repo.commit()


@attempt(lambda repo: repo.write("models/net.yaml", family(default=LIGHT)))
def _a_family_becomes_one(repo: Repo) -> None:
    heavier(repo)
    repo.commit()
