"""A spec that extends another: what it takes over, what it changes, and what comes after."""

import msgspec

from archcalc.errors import Problem, did_you_mean
from archcalc.spec.architecture import Architecture, Replacement, unknown_input, unknown_variable
from archcalc.spec.ends import INPUT
from archcalc.spec.entry import STRUCTURES, Entry
from archcalc.spec.evaluation import some
from archcalc.spec.source import Tree, problem_at


def extended(own: Architecture, base: Architecture) -> Architecture:
    """The architecture that `own` makes of `base`.

    Its own vars, reduced vars, blocks and inputs go before the base's of the same name, and its outputs before the
    base's outputs; entries of the base that it replaces give way to its own, and its layers come after the base's.
    """
    variables = base.vars | own.vars
    kept, replaced = _replaced(base.entries, own.replace)
    names = list(_names(base.entries))
    problems = [_unknown(replacement, names) for name, replacement in own.replace.items() if name not in replaced]
    changed: list[tuple[str, Tree]] = [*own.reduced.items()]
    for variant in own.variants.values():
        changed += variant.vars.items()
    for name, tree in changed:
        if name not in variables:
            problems.append(problem_at(tree, *unknown_variable(name, variables)))
    inputs = base.inputs | own.inputs
    # A short `input:` means the base's only input; it adds none of its own to those that have names.
    short = own.inputs if base.inputs and INPUT not in base.inputs else {}
    for name, tree in [*short.items(), *[pair for one in own.variants.values() for pair in one.inputs.items()]]:
        if name not in inputs or (name == INPUT and INPUT in short):
            problems.append(problem_at(tree, *unknown_input(name, base.inputs)))
    return msgspec.structs.replace(
        own,
        inputs=inputs,
        source=own.source or base.source,
        vars=variables,
        blocks=base.blocks | own.blocks,
        entries=(*kept, *own.entries),
        reduced=base.reduced | own.reduced,
        problems=(*base.problems, *own.problems, *problems),
        all_budgets=(*base.all_budgets, *own.all_budgets),
        outputs=own.outputs or base.outputs,
        unused=(*[name for name in base.unused if name.text not in own.replace], *own.unused),
        extends=None,
        extended=own.extends,
        replace={},
    )


def _replaced(entries: tuple[Entry, ...], by: dict[str, Replacement]) -> tuple[tuple[Entry, ...], set[str]]:
    """The entries with those of these names replaced, and the names that were found."""
    kept: list[Entry] = []
    found: set[str] = set()
    for entry in entries:
        name = _name(entry)
        if name is not None and name in by:
            kept.append(_stand_in(by[name], entry))
            found.add(name)
            continue
        parts = [_replaced(part, by) for part in entry.parts]
        if any(inside for _, inside in parts):
            entry = msgspec.structs.replace(entry, parts=tuple(part for part, _ in parts))
            found.update(*(inside for _, inside in parts))
        kept.append(entry)
    return tuple(kept), found


def _stand_in(replacement: Replacement, entry: Entry) -> Entry:
    """One entry under the name of the one that it replaces, and reading what that one read."""
    common = {"name": replacement.tree, **{key: tree for key, tree in entry.common.items() if key == "from"}}
    if len(replacement.entries) == 1 and replacement.entries[0].kind not in STRUCTURES:
        (only,) = replacement.entries
        return msgspec.structs.replace(only, common={**common, **only.common})
    return Entry("sequence", replacement.tree, common=common, parts=(replacement.entries,))


def _names(entries: tuple[Entry, ...]) -> list[str]:
    found = [name for entry in entries if (name := _name(entry)) is not None]
    return found + [name for entry in entries for part in entry.parts for name in _names(part)]


def _name(entry: Entry) -> str | None:
    tree = entry.common.get("name")
    return getattr(tree, "text", None)


def _unknown(replacement: Replacement, names: list[str]) -> Problem:
    name = replacement.tree.text
    hint = did_you_mean(name, names, f"its named layers: {some(names)}" if names else "none of its layers has a name")
    return problem_at(replacement.tree, f"replace: the extended spec has no layer named {name!r}", hint)
