"""A first budget from today's figures, written into a spec or a configuration whose text stays as it is otherwise."""

import os
from collections.abc import Mapping, MutableMapping, Sequence
from fractions import Fraction
from typing import Any

from archcalc.budget import budget_of, budget_problems, make_limit
from archcalc.engine.figures import METRICS
from archcalc.engine.report import Report
from archcalc.errors import SettingError, SpecError
from archcalc.gate.config import FILES
from archcalc.spec import source
from archcalc.spec.architecture import read
from archcalc.spec.source import Document, Scalar, Tree, lines_of, parse
from archcalc.units import parse_quantity, written_up

DEFAULT_METRICS = ("params", "flops", "memory", "peak")


def maxima(reports: Sequence[Report], metrics: Sequence[str], headroom: Fraction) -> dict[str, str]:
    """For each metric a maximum that the largest of the reports keeps, with this share to spare, rounded up.

    Raises SettingError where a figure is unknown, and where figures are symbols or arrays.

    >>> from archcalc import analyze, load
    >>> maxima([analyze(load("alexnet"))], ["params", "memory"], Fraction(1, 10))
    {'params': '67.3M', 'memory': '4.67 MiB'}
    """
    for report in reports:
        report.require_plain("given a budget")
    found = {}
    for name in metrics:
        figures = [METRICS[name].of(report) for report in reports]
        known = [figure for figure in figures if figure is not None]
        if len(known) < len(figures):
            raise SettingError(f"{reports[0].architecture}: {name} is unknown", hint="leave it out of --metrics")
        with_room = max(known) * (1 + headroom)
        text = written_up(-(-with_room.numerator // with_room.denominator), METRICS[name].unit)
        assert parse_quantity(text, METRICS[name].unit) >= with_room
        found[name] = text
    return found


def in_spec(document: Document, limits: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """The text of a spec with a `budget:` of these maxima, after what it says of its input and before the rest.

    Raises SettingError where it has a budget already, or is written in braces, as JSON is.
    """
    tree, _ = parse(document)
    if not isinstance(tree, source.MappingNode) or document.text.lstrip().startswith("{"):
        hint = "--into archcalc.toml writes the limits there"
        raise SettingError(f"{document.name} is written in braces; a budget cannot be inserted", hint=hint)
    if "budget" in tree.keys:
        line = tree.keys["budget"].line
        raise SettingError(f"{document.name} already has a budget, in line {line}", hint="--update rewrites its maxima")
    lines = lines_of(document.text)
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    at = _insertion(lines, list(tree.keys.values()))
    indent = " " * (next(iter(tree.keys.values())).column - 1)
    if at and not lines[at - 1].endswith(("\n", "\r")):
        lines[at - 1] += newline
    given = ", ".join(f"{name}: {_yaml(value)}" for name, value in settings.items())
    block = ["budget:", f"  settings: {{{given}}}", *(f"  {name}: {text}" for name, text in limits.items())]
    text = "".join([*lines[:at], *(f"{indent}{line}{newline}" for line in block), *lines[at:]])
    return _proved(document, text, limits)


def updated_spec(document: Document, limits: Mapping[str, str]) -> str:
    """The text of a spec with these maxima in place of those of its budget; all else stays.

    Raises SettingError where it has no such maximum.
    """
    tree, _ = parse(document)
    budget = tree.items.get("budget") if isinstance(tree, source.MappingNode) else None
    lines = lines_of(document.text)
    places = {name: place for name in limits if (place := _maximum(budget, name))}
    if not places:
        raise SettingError(f"{document.name} has no maxima to update", hint="leave out --update")
    # From the end backwards, so that the places before stay true.
    for name, place in sorted(places.items(), key=lambda item: (-item[1].line, -item[1].column)):
        text = limits[name]
        line, start = lines[place.line - 1], place.column - 1
        quote = line[start] if line[start] in "\"'" else ""
        written = f"{quote}{place.text}{quote}"
        if not line.startswith(written, start):
            raise SettingError(f"{document.name}: the limit in line {place.line} cannot be rewritten in place")
        lines[place.line - 1] = f"{line[:start]}{quote}{text}{quote}{line[start + len(written) :]}"
    return _proved(document, "".join(lines), {name: limits[name] for name in places})


_AS_TABLES = 'write budgets as tables, such as `[budgets."models/*.yaml"]`'


def in_config(path: str, text: str, budgets: Mapping[str, Mapping[str, str]], settings: Any, *, update: bool) -> str:
    """The text of a configuration file with these maxima by pattern; comments and layout stay.

    Raises SettingError where a pattern has a budget already, or with `update` has none.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise SettingError(f"{path}: not valid TOML: {error}") from None
    table: Any = document
    for name in (*FILES.get(os.path.basename(path), ()), "budgets"):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=True)
        table = table[name]
        if not isinstance(table, MutableMapping) or isinstance(table, InlineTable):
            raise SettingError(f"{path}: cannot add a budget to {name}, which is not a separate table", hint=_AS_TABLES)
    for pattern, limits in budgets.items():
        if update:
            _update(path, table.get(pattern), pattern, limits)
            continue
        if pattern in table:
            hint = "--update rewrites its maxima"
            raise SettingError(f"{path} already has a budget for {pattern!r}", hint=hint)
        new = tomlkit.table()
        inline = tomlkit.inline_table()
        inline.update({name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()})
        new["settings"] = inline
        new.update(limits)
        table[pattern] = new
    return tomlkit.dumps(document)


def _update(path: str, table: Any, pattern: str, limits: Mapping[str, str]) -> None:
    there = [name for name in limits if table is not None and name in table]
    if not there:
        raise SettingError(f"{path} has no maxima for {pattern!r} to update", hint="leave out --update")
    for name in there:
        if isinstance(table[name], dict):
            if "max" in table[name]:
                table[name]["max"] = limits[name]
        else:
            table[name] = limits[name]


def _insertion(lines: list[str], keys: list[Scalar]) -> int:
    """The index of the line before which a budget is inserted: after the input and everything above it.

    Comments and blank lines over the next key belong to that key.
    """
    names = [key.text for key in keys]
    first = ("name", "title", "source", "extends", "input", "inputs")
    head = [names.index(name) for name in first if name in names]
    last = max(head, default=-1)
    at = keys[last + 1].line - 1 if last + 1 < len(keys) else len(lines)
    while at and last + 1 < len(keys) and lines[at - 1].strip()[:1] in ("", "#"):
        at -= 1
    return at


def _maximum(budget: Tree | None, metric: str) -> Scalar | None:
    """The value of a metric's maximum in a budget, be it short or under `max`."""
    value = budget.items.get(metric) if isinstance(budget, source.MappingNode) else None
    if isinstance(value, source.MappingNode):
        value = value.items.get("max")
    return value if isinstance(value, Scalar) else None


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_yaml(one)}' for name, one in value.items())}}}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _proved(document: Document, text: str, limits: Mapping[str, str]) -> str:
    """The new text, if it says what was meant: the same architecture, with these limits."""
    refusal = SettingError(
        f"{document.name} cannot be edited without changing its meaning",
        hint="write the budget by hand, or --into archcalc.toml",
    )
    try:
        before, after = read(document), read(Document(document.name, text))
    except SpecError:
        raise refusal from None
    wanted = {(name, "max"): make_limit(name, "max", value).bound for name, value in limits.items()}
    found = {key: limit.bound for key, limit in budget_of(after).limits.items() if key in wanted}
    if after.problems or budget_problems(after) or found != wanted or len(after.entries) != len(before.entries):
        raise refusal
    return text
