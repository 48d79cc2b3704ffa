"""Attempts to pass for new: by moving between files and variants, unseen by git, and under other texts and names."""

import os
import time

from tests.gate.gate_attempts import HEAVY, LIGHT, attempt, family, heavier, link, net
from tests.git_repository import Repo

LONG = "  - relu\n" * 6
OTHER = "input: [3, 8, 8]\nlayers: [{conv: {filters: 4, kernel: 3}}, tanh, flatten]\n"


# Between files and variants


@attempt(lambda repo: repo.write("models/family.yaml", family(small=LIGHT, large=LIGHT)), spec="models/large.yaml")
def _a_variant_moves_into_a_file(repo: Repo) -> None:
    repo.write("models/family.yaml", family(small=LIGHT))
    heavier(repo, "models/large.yaml")
    repo.commit()


@attempt(lambda repo: repo.write("models/family.yaml", family(small=LIGHT, large=LIGHT)), spec="sub/new.yaml")
def _a_variant_moves_into_a_file_of_another_name(repo: Repo) -> None:
    repo.write("models/family.yaml", family(small=LIGHT))
    repo.write("sub/new.yaml", "{input: [99], layers: [{linear: {name: other, features: 9}}]}\n")


@attempt(lambda repo: repo.write("models/family.yaml", family(small=LIGHT)), spec="models/family.yaml:net")
def _a_file_moves_into_a_family(repo: Repo) -> None:
    repo.git("rm", "-q", "models/net.yaml")
    repo.write("models/family.yaml", family(small=LIGHT, net=HEAVY))
    repo.commit()


@attempt(lambda repo: repo.write("models/family.yaml", family(small=LIGHT)), spec="models/family.yaml:other")
def _a_file_moves_into_a_family_under_another_name(repo: Repo) -> None:
    (repo.folder / "models/net.yaml").unlink()
    repo.write("models/family.yaml", family(small=LIGHT, other=HEAVY))


@attempt(
    lambda repo: repo.write("models/one.yaml", family(a=LIGHT, b=LIGHT)),
    lambda repo: repo.write("models/two.yaml", family(c=LIGHT)),
    spec="models/two.yaml:d",
)
def _a_variant_moves_into_another_family(repo: Repo) -> None:
    repo.write("models/one.yaml", family(a=LIGHT))
    repo.write("models/two.yaml", family(c=LIGHT, d=HEAVY))
    repo.commit()


@attempt(
    lambda repo: repo.write("models/family.yaml", family(small=LIGHT, large=HEAVY)),
    spec="models/small.yaml",
    rule="AC903",
    said="models/small.yaml does not exist at base",
)
def _a_variant_takes_the_figures_of_another_that_goes(repo: Repo) -> None:
    repo.git("rm", "-q", "models/family.yaml")
    heavier(repo, "models/small.yaml")
    repo.commit()


# Unseen by git


@attempt(spec="sub/new.yaml")
def _git_is_told_to_leave_it_alone_and_it_moves(repo: Repo) -> None:
    repo.git("update-index", "--skip-worktree", "models/net.yaml")
    (repo.folder / "models/net.yaml").unlink()
    heavier(repo, "sub/new.yaml")
    repo.commit()


@attempt(spec="sub/new.yaml")
def _git_is_told_that_it_is_unchanged_and_it_moves(repo: Repo) -> None:
    repo.git("update-index", "--assume-unchanged", "models/net.yaml")
    (repo.folder / "models/net.yaml").unlink()
    heavier(repo, "sub/new.yaml")
    repo.commit()


@attempt(lambda repo: repo.write("models/family.yaml", family(small=LIGHT, large=LIGHT)), spec="sub/large.yaml")
def _a_variant_moves_out_of_a_family_that_git_is_told_to_leave_alone(repo: Repo) -> None:
    repo.git("update-index", "--skip-worktree", "models/family.yaml")
    repo.write("models/family.yaml", family(small=LIGHT))
    heavier(repo, "sub/large.yaml")
    repo.commit()


@attempt(spec="sub/new.yaml")
def _it_moves_and_git_ignores_what_stays(repo: Repo) -> None:
    repo.write(".gitignore", "/models/\n")
    repo.git("rm", "-q", "--cached", "models/net.yaml")
    heavier(repo, "sub/new.yaml")
    repo.commit()


# Other texts


UNUSED = "blocks:\n" + "".join(f"  b{n}: {{layers: [{{conv: {{filters: {n + 1}, kernel: 3}}}}]}}\n" for n in range(200))


@attempt(lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)), spec="sub/new.yaml")
def _it_moves_below_blocks_that_nothing_calls(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old.yaml")
    repo.write("sub/new.yaml", net(HEAVY, layers=LONG) + UNUSED)
    repo.commit()


@attempt(lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)), spec="sub/new.yaml")
def _it_moves_below_vars_and_notes_that_nothing_reads(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old.yaml")
    unused = "".join(f"  unused{n}: {n}  # {n}\n" for n in range(200))
    repo.write("sub/new.yaml", net(HEAVY, layers=LONG, name="word " * 999) + f"vars:\n{unused}")
    repo.commit()


@attempt(lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)), spec="sub/new.yaml")
def _it_moves_and_is_written_by_blocks(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old.yaml")
    blocks = "blocks: {whole: {layers: [{linear: 9}, {relu: {repeat: 6}}]}}\n"
    repo.write("sub/new.yaml", f"input: [99]\n{blocks}layers: [whole]\n")
    repo.commit()


@attempt(
    lambda repo: repo.write("models/old.yaml", net(LIGHT, layers=LONG)),
    spec="sub/new.yaml",
    rule="AC903",
    said="sub/new.yaml does not exist at base",
)
def _it_moves_and_gets_many_layers_that_cost_nothing(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old.yaml")
    repo.write("sub/new.yaml", net(HEAVY, layers="  - tanh\n  - identity\n" * 99))
    repo.commit()


@attempt(
    lambda repo: repo.write("models/old.yaml", net(LIGHT)),
    lambda repo: repo.write("models/other.yaml", OTHER),
    spec="sub/new.yaml",
)
def _it_moves_as_something_else_goes(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old.yaml", "models/other.yaml")
    heavier(repo, "sub/new.yaml")
    repo.commit()


@attempt(
    lambda repo: repo.write("models/old.cfg", net(LIGHT)),
    spec="sub/new.cfg",
)
def _it_moves_under_an_ending_that_specs_do_not_have(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old.cfg")
    repo.write("sub/new.cfg", net(HEAVY) + UNUSED)
    repo.commit()


@attempt(lambda repo: repo.write("models/old", net(LIGHT)), spec="sub/new.yaml")
def _it_gets_the_ending_of_a_spec(repo: Repo) -> None:
    repo.git("rm", "-q", "models/old")
    repo.write("sub/new.yaml", net(HEAVY) + UNUSED)


@attempt(
    lambda repo: link(repo, "old.yaml", "../outside.yaml"),
    spec="sub/new.yaml",
    rule="AC903",
    said="sub/new.yaml does not exist at base",
)
def _a_link_out_of_the_repository_goes(repo: Repo) -> None:
    repo.git("rm", "-q", "old.yaml")
    heavier(repo, "sub/new.yaml")
    repo.commit()


@attempt(
    lambda repo: repo.write("models/family.yaml", family(a=LIGHT, b=LIGHT)),
    spec="sub/new.yaml",
    rule="AC903",
    said="and may have been models/family.yaml:b, which was removed",
)
def _a_variant_goes_and_git_is_told_to_look_at_little(repo: Repo) -> None:
    path = repo.folder / "models/family.yaml"
    os.utime(path, (10**9, 10**9))
    repo.git("update-index", "--refresh")
    repo.git("config", "core.trustctime", "false")
    repo.git("config", "core.checkStat", "minimal")
    time.sleep(1.1)  # git keeps the second in which a file was changed
    repo.write("models/family.yaml", family(a=LIGHT, c=2 * LIGHT))
    os.utime(path, (10**9, 10**9))
    heavier(repo, "sub/new.yaml")
