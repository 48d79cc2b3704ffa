"""Attempts by links, and by what a spec extends."""

from tests.gate.gate_attempts import HEAVY, LIGHT, attempt, heavier, link, net
from tests.git_repository import Repo


@attempt(lambda repo: link(repo, "net.yaml", "models/net.yaml"), spec="net.yaml")
def _the_target_of_a_link_grows(repo: Repo) -> None:
    heavier(repo)
    repo.commit()


@attempt(
    lambda repo: link(repo, "a.yaml", "b/c.yaml"),
    lambda repo: link(repo, "b/c.yaml", "../models/net.yaml"),
    spec="a.yaml",
)
def _the_end_of_a_chain_of_links_grows(repo: Repo) -> None:
    heavier(repo)
    repo.commit()


@attempt()
def _a_link_to_a_heavier_file_takes_its_place(repo: Repo) -> None:
    heavier(repo, "models/other.yaml")
    link(repo, "models/net.yaml", "other.yaml")
    repo.commit()


@attempt()
def _a_link_to_a_file_that_git_ignores_takes_its_place(repo: Repo) -> None:
    repo.write(".gitignore", "/cache/\n")
    heavier(repo, "cache/net.yaml")
    link(repo, "models/net.yaml", "../cache/net.yaml")
    repo.commit()


@attempt()
def _a_link_out_of_the_repository_takes_its_place(repo: Repo) -> None:
    heavier(repo, "../net.yaml")
    link(repo, "models/net.yaml", "../../net.yaml")
    repo.commit()


@attempt(
    lambda repo: repo.write("../net.yaml", net(LIGHT)),
    lambda repo: link(repo, "net.yaml", "../net.yaml"),
    spec="net.yaml",
    rule="AC903",
    said="net.yaml is a link out of the repository",
)
def _the_target_of_a_link_out_of_the_repository_grows(repo: Repo) -> None:
    heavier(repo, "../net.yaml")


@attempt(lambda repo: link(repo, "net.yaml", str(repo.folder / "models/net.yaml")), spec="net.yaml")
def _the_target_of_an_absolute_link_grows(repo: Repo) -> None:
    heavier(repo)
    repo.commit()


@attempt(
    lambda repo: link(repo, "net.yaml", "other.yaml"),
    lambda repo: link(repo, "other.yaml", "net.yaml"),
    spec="net.yaml",
    rule="AC903",
    said="net.yaml is a circular link",
)
def _links_that_led_in_a_circle(repo: Repo) -> None:
    (repo.folder / "net.yaml").unlink()
    heavier(repo, "net.yaml")
    repo.commit()


@attempt(lambda repo: repo.write("heavy/net.yaml", net(HEAVY)))
def _a_link_to_a_heavier_folder_takes_the_place_of_its_folder(repo: Repo) -> None:
    repo.git("rm", "-rq", "models")
    link(repo, "models", "heavy")
    repo.commit()


@attempt(
    lambda repo: link(repo, "current", "models"),
    lambda repo: repo.write("heavy/net.yaml", net(HEAVY)),
    spec="current/net.yaml",
)
def _the_link_to_its_folder_leads_elsewhere(repo: Repo) -> None:
    link(repo, "current", "heavy")
    repo.commit()


@attempt(lambda repo: repo.write("models/other/kept.yaml", net(LIGHT)), spec="new/net.yaml")
def _a_new_link_to_its_folder(repo: Repo) -> None:
    link(repo, "new", "models")
    heavier(repo)
    repo.commit()


@attempt(
    lambda repo: link(repo, "base.yaml", "models/net.yaml"),
    lambda repo: repo.write("mine.yaml", "extends: base.yaml\n"),
    spec="mine.yaml",
)
def _a_link_that_it_extends_has_a_heavier_target(repo: Repo) -> None:
    heavier(repo)
    repo.commit()


@attempt(lambda repo: repo.write("mine.yaml", "extends: models/net.yaml\n"), spec="mine.yaml")
def _what_it_extends_becomes_a_link(repo: Repo) -> None:
    heavier(repo, "models/other.yaml")
    link(repo, "models/net.yaml", "other.yaml")
    repo.commit()


# What it extends


@attempt(lambda repo: repo.write("mine.yaml", "extends: models/net.yaml\n"), spec="mine.yaml")
def _it_extends_a_new_file(repo: Repo) -> None:
    heavier(repo, "models/new.yaml")
    repo.write("mine.yaml", "extends: models/new.yaml\n")
    repo.commit()


@attempt(
    lambda repo: repo.write("mine.yaml", "extends: models/gone.yaml\n"),
    spec="mine.yaml",
    rule="AC903",
    said="models/gone.yaml does not exist at",
)
def _what_it_extends_was_missing(repo: Repo) -> None:
    heavier(repo, "models/gone.yaml")
    repo.commit()


@attempt(lambda repo: repo.write("models/net.yaml", "layers: [\n"), rule="AC903", said="is not judged: at base")
def _it_was_broken(repo: Repo) -> None:
    heavier(repo)
    repo.commit()


@attempt(
    lambda repo: repo.write(".gitignore", "/cache/\n"),
    lambda repo: repo.write("cache/net.yaml", net(LIGHT)),
    lambda repo: repo.write("mine.yaml", "extends: cache/net.yaml\n"),
    spec="mine.yaml",
    rule="AC903",
    said="cache/net.yaml does not exist at",
)
def _it_extends_a_file_that_git_ignores(repo: Repo) -> None:
    heavier(repo, "cache/net.yaml")
