"""The configuration of a project: `archcalc.toml`, or `[tool.archcalc]` in `pyproject.toml`, with budgets by pattern.

[budgets."models/*.yaml"]           # in pyproject.toml: [tool.archcalc.budgets."models/*.yaml"]
params = "60M"
flops = {max = "1.5G", warn = "1.2G"}

[baselines]                         # of specs that came in a change, what their increases are measured from
"models/wide.yaml" = "models/net.yaml"
"models/first.yaml" = "new"

[devices.my-card]                   # for fits, roofline and training
memory = "24GiB"
bandwidth = "1008GB/s"
peak = {float32 = "82.6T", float16 = "165T"}
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from archcalc.budget import Budget, read_budget
from archcalc.errors import Problem, SettingError, did_you_mean
from archcalc.hardware.devices import Device, read_devices
from archcalc.spec.catalogue import file_and_variant
from archcalc.spec.search import specs_matching
from archcalc.spec.source import MappingNode, Scalar, Tree, problem_at
from archcalc.spec.toml import read_toml, tree_of

FILES = {"archcalc.toml": (), "pyproject.toml": ("tool", "archcalc")}
"""The configuration files, the first before the second, each with the table that holds the configuration."""
MAX_SEARCHED = 2**26
KEYS = {
    "budgets": "for each pattern of specs, what they may cost",
    "require-budget": "whether a spec without any limit fails",
    "baselines": "for each spec that is not at the base, the one there that it was, or new",
    "devices": "for each device of yours, its memory, bandwidth and peaks",
}
NEW = "new"


class Pattern(msgspec.Struct, frozen=True):
    """Specs by a glob relative to the configuration's folder, or one variant of them (`models/*.yaml:small`)."""

    glob: str
    variant: str | None
    budget: Budget
    place: Scalar

    @property
    def text(self) -> str:
        """The pattern as it is written."""
        return self.place.text


class NamedBaseline(msgspec.Struct, frozen=True):
    """What a spec was at the base, None where it is new. Both are files relative to the configuration's folder, with
    the variant in them.
    """

    path: str
    variant: str | None
    was: tuple[str, str | None] | None
    place: Scalar


class Config(msgspec.Struct, frozen=True):
    """What a configuration file says; `path` is None where there is none."""

    path: Path | None = None
    patterns: tuple[Pattern, ...] = ()
    require_budget: bool = False
    baselines: tuple[NamedBaseline, ...] = ()
    devices: dict[str, Device] = {}

    def files(self, pattern: Pattern) -> list[str]:
        """The files that a pattern matches, in order, as the user would name them from where they are.

        One that ends in `**` matches all specs below its folder. Links are followed.
        """
        assert self.path is not None
        return specs_matching(os.path.relpath(self.path.parent), pattern.glob)

    def located(self, path: str) -> str:
        """A path that the configuration names, as the user would from where they are."""
        assert self.path is not None
        return os.path.join(os.path.relpath(self.path.parent), path)

    def budgets(self) -> dict[str, list[Pattern]]:
        """For each file that some pattern matches, by its absolute path, the patterns in their order."""
        found: dict[str, list[Pattern]] = {}
        for pattern in self.patterns:
            for path in self.files(pattern):
                found.setdefault(os.path.abspath(path), []).append(pattern)
        return found


def find_config(start: Path) -> Path | None:
    """The configuration file in a folder, or the nearest one above it.

    A `pyproject.toml` without a `[tool.archcalc]` table is none. Raises SettingError where a folder has two, for one of
    them would be passed over.
    """
    for folder in (start, *start.parents):
        found = [folder / name for name, table in FILES.items() if _configures(folder / name, table)]
        if len(found) > 1:
            names = " and ".join(map(os.path.relpath, found))
            hint = "move everything into one of them, or choose one with --config"
            raise SettingError(f"{names} both configure archcalc", hint=hint)
        if found:
            return found[0]
    return None


def read_config(path: Path | None) -> Config:
    """The configuration in a file; raises SettingError with all that is wrong in it."""
    if path is None:
        return Config()
    document, whole = read_toml(path)
    problems: list[Problem] = []

    def note(where: Tree, message: str, hint: str | None = None) -> None:
        problems.append(problem_at(where, message, hint))

    prefix = FILES.get(path.name, ())
    tree: Tree = tree_of(document, whole)
    for name in prefix:
        tree = tree.items.get(name, MappingNode(document, 1, 1)) if isinstance(tree, MappingNode) else tree
    patterns, baselines = list(_patterns(tree, note)), list(_baselines(tree, note))
    own = tree.items.get("devices") if isinstance(tree, MappingNode) else None
    devices = {} if own is None else dict(read_devices(own, note, are_own=True))
    required = tree.items.get("require-budget") if isinstance(tree, MappingNode) else None
    if required is not None and not (isinstance(required, Scalar) and isinstance(required.value, bool)):
        note(required, "require-budget must be true or false")
    if problems:
        raise SettingError(problems=problems)
    must = isinstance(required, Scalar) and required.value is True
    return Config(path, tuple(patterns), must, tuple(baselines), devices)


def _patterns(tree: Tree, note: Any) -> Iterator[Pattern]:
    if not isinstance(tree, MappingNode):
        note(tree, "the configuration of archcalc must be a table")
        return
    for key, scalar in tree.keys.items():
        if key not in KEYS:
            note(scalar, f"unknown key {key!r}", did_you_mean(key, KEYS, f"known keys: {', '.join(KEYS)}"))
    budgets = tree.items.get("budgets")
    if budgets is None:
        return
    if not isinstance(budgets, MappingNode):
        note(budgets, "budgets must be a table of patterns", 'such as [budgets."models/*.yaml"]')
        return
    for text, value in budgets.items.items():
        glob, variant = file_and_variant(text) or (text, None)
        place = budgets.keys[text]
        if not glob or os.path.isabs(glob):
            note(place, f"pattern {text!r} must be relative to the folder of the file", "such as models/*.yaml")
            continue
        yield Pattern(glob, variant, read_budget(value, note), place)


def _baselines(tree: Tree, note: Any) -> Iterator[NamedBaseline]:
    baselines = tree.items.get("baselines") if isinstance(tree, MappingNode) else None
    if baselines is None:
        return
    hint = 'such as "models/wide.yaml" = "models/net.yaml", or "new"'
    if not isinstance(baselines, MappingNode):
        note(baselines, "baselines must be a table of files", hint)
        return
    for text, value in baselines.items.items():
        new, old = file_and_variant(text), file_and_variant(value.text) if isinstance(value, Scalar) else None
        if new is None or os.path.isabs(text):
            note(baselines.keys[text], f"{text!r} must be a file, relative to the folder of the configuration", hint)
        elif not isinstance(value, Scalar) or (old is None and value.text != NEW) or os.path.isabs(value.text):
            note(
                value,
                f"the baseline of {text} must be a file, relative to the folder of the configuration, or new",
                hint,
            )
        else:
            yield NamedBaseline(*new, old, baselines.keys[text])


def _configures(path: Path, table: tuple[str, ...]) -> bool:
    """Whether a file is there and has the table, where it is to have one.

    Raises SettingError for what is there under its name and is no file, for a budget must not be lost with it.
    """
    if os.path.lexists(path) and not path.is_file():
        raise SettingError(f"{os.path.relpath(path)} is not a file, or a link to none", hint="remove or mend it")
    if not path.is_file() or not table:
        return path.is_file()
    try:
        value: Any = read_toml(path)[1]
    except SettingError:
        return _speaks_of_archcalc(path)
    for name in table:
        value = value.get(name) if isinstance(value, dict) else None
    return value is not None


def _speaks_of_archcalc(path: Path) -> bool:
    """Whether a file that cannot be read as TOML may be meant to configure archcalc: then that is an error."""
    try:
        with path.open("rb") as file:
            return b"archcalc" in file.read(MAX_SEARCHED)
    except OSError:
        return True
