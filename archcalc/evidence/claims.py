"""Claim files: YAML → claims, each a published figure with the place where it was printed and how to compute it."""

import os
import re
from typing import Any

import msgspec

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec.catalogue import has_ending, specs_directory
from archcalc.spec.files import read_file
from archcalc.spec.source import MappingNode, SequenceNode, Tree, parse, problem_at


class Quantity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to compute: a metric over the rows of an architecture that `layers` or `kinds` choose (all, if neither).

    `without` names rows that are left out.
    `activation`, `std` and `init` (as `archcalc activations` takes it) are for metrics of initial weights; what is
    measured in PyTorch is skipped where that is not installed.
    `unit` (KB, MB, k, M, G) is the one that the figure is printed in; `decimals` rounds to it before going on.
    """

    architecture: str | None = None
    spec: dict[str, Any] | None = None
    layers: str | list[str] | None = None
    kinds: list[str] | None = None
    without: list[str] = []
    metric: str = "params"
    unit: str = ""
    decimals: int | None = None
    activation: str | None = None
    std: float | str | None = None
    init: str | None = None


class Misprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A misprint: why the printed figure is wrong, the right one, and, if known, the quantity that was printed instead.

    `correct` must come out of the computation, and `printed_is` must give what was printed: both are checked.
    """

    correct: int | float | str
    why: str
    printed_is: Quantity | None = None


class Claim(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published figure.

    `published` is kept as printed: its decimals are the precision that counts. `over` divides by another quantity.
    `bound` ("> 50", "< 1", "= 1") stands for a claim in words. `at` gives values for the variables of a formula:
    the claim then holds if formula and computation agree at every combination of them.
    """

    id: str
    published: int | float | str
    where: str
    over: Quantity | None = None
    bound: str | None = None
    at: dict[str, list[int]] | None = None
    misprint: Misprint | None = None
    note: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of a printed table: what it holds, in which unit."""

    metric: str
    unit: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A printed table: a claim for each cell that is not empty. `misprints` are named row.column."""

    id: str
    where: str
    architecture: str
    columns: dict[str, Column]
    rows: dict[str, list[int | float | str | None]]
    misprints: dict[str, Misprint] = {}

    def claims(self) -> list[Claim]:
        """A claim for each cell."""
        return [
            Claim(
                id=f"{self.id}.{row}.{name}",
                published=published,
                where=f"{self.where}, row {row}, column {name}",
                architecture=self.architecture,
                layers=row,
                metric=column.metric,
                unit=column.unit,
                misprint=self.misprints.get(f"{row}.{name}"),
            )
            for row, cells in self.rows.items()
            for (name, column), published in zip(self.columns.items(), cells, strict=True)
            if published is not None
        ]


class ClaimFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source of published figures: tables and single claims."""

    name: str
    title: str
    source: str
    tables: list[Table] = []
    claims: list[Claim] = []
    path: str = ""

    def all_claims(self) -> list[Claim]:
        """Every claim, those of the tables first."""
        return [claim for table in self.tables for claim in table.claims()] + self.claims


def published_directory() -> str:
    """Where the shipped claim files lie."""
    return os.path.join(specs_directory(), "published")


def source_names() -> tuple[str, ...]:
    """The names of the shipped claim files.

    >>> "lecture" in source_names()
    True
    """
    return tuple(sorted(file[:-5] for file in os.listdir(published_directory()) if file.endswith(".yaml")))


def find_claims(what: str | None) -> list[ClaimFile]:
    """The claim files that `what` names: a shipped source, a file, a directory of files; all shipped ones for None.

    Raises SpecError if there is none, or with all problems in it.
    """
    if what is None:
        return [_read(os.path.join(published_directory(), f"{name}.yaml")) for name in source_names()]
    if what in source_names():
        return [_read(os.path.join(published_directory(), f"{what}.yaml"))]
    if os.path.isdir(what):
        files = sorted(os.path.join(what, name) for name in os.listdir(what) if has_ending(name))
        if not files:
            raise SpecError([Problem(f"no claim file in {what}", hint="claim files end in .yaml, .yml or .json")])
        return [_read(file) for file in files]
    if what == "-" or os.sep in what or has_ending(what) or os.path.exists(what):
        return [_read(what)]
    hint = did_you_mean(what, source_names(), f"sources: {', '.join(source_names())}; or name a file of your own")
    raise SpecError([Problem(f"unknown source of published figures {what!r}", hint=hint)])


def claims_schema() -> dict[str, Any]:
    """The JSON Schema of a claim file."""
    schema = msgspec.json.schema(ClaimFile)
    del schema["$defs"]["ClaimFile"]["properties"]["path"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "archcalc claims", **schema}


def _read(path: str) -> ClaimFile:
    document = read_file(path)
    tree, problems = parse(document)
    if problems:
        raise SpecError(problems)
    try:
        file = msgspec.convert({**_plain(tree), "path": document.name}, ClaimFile)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        place = _place(tree, path.rstrip("`"))
        raise SpecError(
            [problem_at(place, message, "`archcalc schema --claims` prints what is allowed here")]
        ) from None
    problems = list(_inconsistencies(tree, file))
    if problems:
        raise SpecError(problems)
    return file


def _plain(tree: Tree, key: str = "") -> Any:
    """The tree as plain values; figures keep the text they are printed as, for its decimals."""
    if isinstance(tree, MappingNode):
        return {name: _plain(child, name if key != "rows" else "published") for name, child in tree.items.items()}
    if isinstance(tree, SequenceNode):
        return [_plain(item, key) for item in tree.items]
    if key in ("published", "correct") and tree.value is not None:
        return tree.text
    return tree.value


def _place(tree: Tree, path: str) -> Tree:
    """The tree at a path such as `.claims[3].unit`, or the nearest one above it."""
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if name and isinstance(tree, MappingNode) and name in tree.items:
            tree = tree.items[name]
        elif index.isdecimal() and isinstance(tree, SequenceNode):
            tree = tree.items[int(index)]
        else:
            break
    return tree


def _inconsistencies(tree: Tree, file: ClaimFile) -> list[Problem]:
    problems = []
    for i, table in enumerate(file.tables):
        place = _place(tree, f".tables[{i}]")
        for row, cells in table.rows.items():
            if len(cells) != len(table.columns):
                message = f"table {table.id}: row {row} has {len(cells)} cells for {len(table.columns)} columns"
                problems.append(problem_at(_place(place, f".rows.{row}"), message))
        cells_named = {f"{row}.{column}" for row in table.rows for column in table.columns}
        for name in table.misprints.keys() - cells_named:
            message = f"table {table.id}: misprint {name!r} does not name a cell"
            problems.append(problem_at(_place(place, ".misprints"), message, "write it as row.column"))
    if problems:
        return problems
    seen: set[str] = set()
    placed = [(_place(tree, f".tables[{i}]"), claim) for i, table in enumerate(file.tables) for claim in table.claims()]
    placed += [(_place(tree, f".claims[{i}]"), claim) for i, claim in enumerate(file.claims)]
    for place, claim in placed:
        if claim.id in seen:
            problems.append(problem_at(place, f"duplicate claim id {claim.id!r}", "every claim needs a unique id"))
        seen.add(claim.id)
        if (claim.architecture is None) == (claim.spec is None):
            problems.append(problem_at(place, f"claim {claim.id} needs either architecture or spec"))
    return problems
