"""The configuration of a project: `archcalc.toml`, or `[tool.archcalc]` in `pyproject.toml`, with budgets by pattern.

[budgets."models/*.yaml"]           # in pyproject.toml: [tool.archcalc.budgets."models/*.yaml"]
params = "60M"
flops = {max = "1.5G", warn = "1.2G"}

[baselines]                         # of specs that came in a change, what their increases are measured from
"models/wide.yaml" = "models/net.yaml"
"models/first.yaml" = "new"
"""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from archcalc.budget import Budget, read_budget
from archcalc.errors import Problem, SettingError, SpecError, did_you_mean
from archcalc.spec.catalogue import file_and_variant
from archcalc.spec.files import MAX_BYTES, read_file
from archcalc.spec.search import specs_matching
from archcalc.spec.source import Document, MappingNode, Scalar, SequenceNode, Tree, problem_at

FILES = {"archcalc.toml": (), "pyproject.toml": ("tool", "archcalc")}
"""The configuration files, the first before the second, each with the table that holds the configuration."""
MAX_SEARCHED = 2**26
KEYS = {
    "budgets": "for each pattern of specs, what they may cost",
    "require-budget": "whether a spec without any limit fails",
    "baselines": "for each spec that is not at the base, the one there that it was, or new",
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
    document, whole = _toml(path)
    problems: list[Problem] = []

    def note(where: Tree, message: str, hint: str | None = None) -> None:
        problems.append(problem_at(where, message, hint))

    prefix = FILES.get(path.name, ())
    tree: Tree = _Trees(document).tree(whole, ())
    for name in prefix:
        tree = tree.items.get(name, MappingNode(document, 1, 1)) if isinstance(tree, MappingNode) else tree
    patterns, baselines = list(_patterns(tree, note)), list(_baselines(tree, note))
    required = tree.items.get("require-budget") if isinstance(tree, MappingNode) else None
    if required is not None and not (isinstance(required, Scalar) and isinstance(required.value, bool)):
        note(required, "require-budget must be true or false")
    if problems:
        raise SettingError(problems=problems)
    return Config(path, tuple(patterns), isinstance(required, Scalar) and required.value is True, tuple(baselines))


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


def _toml(path: Path) -> tuple[Document, dict[str, Any]]:
    try:
        document = read_file(os.path.relpath(path))
    except SpecError as error:
        hint = f"a configuration must be UTF-8 text of at most {MAX_BYTES // 2**20} MiB"
        raise SettingError(error.problems[0].message, hint=hint) from None
    try:
        return document, tomllib.loads(document.text, parse_float=_Written)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = map(int, where.groups()) if where else (1, 1)
        message = f"not valid TOML: {re.sub(r' *[(]at .*', '', str(error))}"
        raise SettingError(problems=[Problem(message, document.locate(line, column))]) from None


def _configures(path: Path, table: tuple[str, ...]) -> bool:
    """Whether a file is there and has the table, where it is to have one.

    Raises SettingError for what is there under its name and is no file, for a budget must not be lost with it.
    """
    if os.path.lexists(path) and not path.is_file():
        raise SettingError(f"{os.path.relpath(path)} is not a file, or a link to none", hint="remove or mend it")
    if not path.is_file() or not table:
        return path.is_file()
    try:
        value: Any = _toml(path)[1]
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


class _Written(str):
    """A float of TOML by its text, so that it stays exact."""

    __slots__ = ()


class _Trees:
    """Makes trees of what TOML holds, each at the line and column of its key."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.places = _places(document.text)

    def tree(self, value: Any, path: tuple[str, ...]) -> Tree:
        line, column = self._place(path)
        if isinstance(value, dict):
            mapping = MappingNode(self.document, line, column)
            for key, child in value.items():
                inside = (*path, key)
                mapping.items[key] = self.tree(child, inside)
                mapping.keys[key] = Scalar(key, key, self.document, *self._place(inside))
            return mapping
        if isinstance(value, list):
            sequence = SequenceNode(self.document, line, column)
            sequence.items += [self.tree(item, path) for item in value]
            return sequence
        known = value if isinstance(value, bool | int | str) and not isinstance(value, _Written) else str(value)
        return Scalar(known, str(value), self.document, line, column)

    def _place(self, path: tuple[str, ...]) -> tuple[int, int]:
        """The place of a key; for one in an inline table, after its table's key in the same line."""
        if path in self.places or not path:
            return self.places.get(path, (1, 1))
        line, column = self._place(path[:-1])
        text = self.document.locate(line, column).text
        inside = re.compile(rf"""(?<![\w-])["']?{re.escape(path[-1])}["']?\s*=""").search(text, column)
        return line, inside.start() + 1 if inside else column


_HEADER = re.compile(r"\s*\[\[?\s*(?P<keys>[^#]*?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<keys>(?:"(?:[^"\\]|\\.)*"|'[^']*'|[\w.\s-])+?)\s*=""")


def _places(text: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """The line and column of each table's header and of each key that begins a line.

    TOML's own parser keeps no positions. This is a glance at the lines: one inside a string of several lines may be
    taken for a key, and then only a message points at a line near the right one.
    """
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        header, key = _HEADER.fullmatch(line), _KEY.match(line)
        found = header or key
        path = _keys(found["keys"]) if found else ()
        if found is None or not path:
            continue
        path = path if header else (*table, *path)
        table = path if header else table
        for length in range(1, len(path) + 1):
            places.setdefault(path[:length], (number, found.start("keys") + 1))
    return places


def _keys(text: str) -> tuple[str, ...]:
    """The keys of a dotted key, as TOML itself reads it."""
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path = []
    while isinstance(value, dict):
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)
