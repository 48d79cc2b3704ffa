"""Calls of blocks, and structures: what is expanded between the two ends of an entry."""

from collections.abc import Callable
from typing import TypeAlias

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.layers import joins, kind_named
from archcalc.spec.architecture import Block
from archcalc.spec.draft import Draft
from archcalc.spec.ends import INPUT
from archcalc.spec.entry import Entry
from archcalc.spec.evaluation import some
from archcalc.spec.fields import block_arguments
from archcalc.spec.origin import Call
from archcalc.spec.references import Inputs, tied_block
from archcalc.spec.scope import Scope
from archcalc.spec.source import Scalar, problem_at
from archcalc.spec.values import Value

MAX_DEPTH = 32

Sequence: TypeAlias = Callable[[tuple[Entry, ...], Scope, int], int]
"""Expands entries one after the other from a value; returns what the last one gives."""


def expand_parts(
    draft: Draft,
    sequence: Sequence,
    entry: Entry,
    block: Block | None,
    name: str | None,
    inputs: Inputs,
    times: int,
    scope: Scope,
    *,
    repeated: bool,
) -> int:
    """Expand a call of a block, or a structure, `times` in a row, and return what it gives.

    Inside one that has a name, names begin with it. Of several inputs, as many go through the repetitions as a block
    gives outputs, and each of them reads the same others.
    """
    current, *others = inputs
    train_only = draft.condition("train_only", entry, scope, otherwise=scope.train_only)
    if block is not None and name is None:
        name = scope.namer.plain(block.name)
    tied = tied_block(draft, entry, scope, name)
    work = _work(block, entry, scope)
    for i in range(times):
        if draft.evaluate.is_out:
            break
        draft.evaluate.count_work(entry.tree, work)
        variables = {**scope.variables, "i": i} if repeated else scope.variables
        local = f"{name}.{i}" if repeated else name
        prefix = scope.prefix if name is None else f"{scope.prefix}{local}."
        if block is not None:
            arguments = _arguments(draft, entry, block, scope, variables, first=i == 0)
            inner = Scope(
                prefix,
                {**scope.globals, **arguments},
                block.entries,
                inputs={INPUT: current, **dict(zip(block.inputs, (current, *others), strict=True))},
                calls=(*scope.calls, Call(block.name, prefix.removesuffix("."), entry.tree)),
                globals=scope.globals,
                network=scope.network,
                train_only=train_only,
                tied=tied,
            )
            current = sequence(block.entries, inner, current)
            if block.outputs:
                current, *results = _results(draft, block, inner, f"{scope.prefix}{name}.")
                others[: len(results)] = results
        else:
            inner = scope
            if name is not None or repeated or train_only:
                inside = [e for part in entry.parts for e in part]
                inner = Scope(prefix, variables, inside, parent=scope, train_only=train_only)
                if name is None:
                    inner.namer = scope.namer
            current = _structure(draft, sequence, entry, inner, current)
        if name is not None:
            draft.paths[f"{scope.prefix}{local}"] = draft.paths[f"{scope.prefix}{name}"] = current
    return current


def _results(draft: Draft, block: Block, inner: Scope, path: str) -> list[int]:
    """What a block gives; each result can be read as `path` with its name, of repetitions that of the last."""
    results: list[int] = []
    problems: list[Problem] = []
    for name in block.outputs:
        found = inner.inputs.get(name.text, draft.paths.get(inner.prefix + name.text))
        if found is not None:
            draft.paths[path + name.text] = found
            results.append(found)
        elif name.text not in inner.failed:
            hint = did_you_mean(name.text, inner.given, f"its layers: {some(inner.given)}")
            problems.append(problem_at(name, f"outputs of block {block.name}: no layer named {name.text!r}", hint))
    if problems or len(results) < len(block.outputs):
        raise SpecError(problems)
    return results


def _arguments(
    draft: Draft, entry: Entry, block: Block, scope: Scope, variables: dict[str, Value], *, first: bool
) -> dict[str, Value]:
    if any(call.block == block.name for call in scope.calls):
        chain = " → ".join([*(call.block for call in scope.calls), block.name])
        raise draft.evaluate.error(entry.tree, f"block {block.name} calls itself: {chain}", "remove the cycle")
    if len(scope.calls) >= MAX_DEPTH:
        raise draft.evaluate.error(entry.tree, f"blocks nested deeper than {MAX_DEPTH} levels")
    return block_arguments(entry, block, draft.evaluate, variables, first=first)


def _structure(draft: Draft, sequence: Sequence, entry: Entry, scope: Scope, current: int) -> int:
    ends = [sequence(part, scope, current) for part in entry.parts]
    if entry.kind == "sequence":
        return ends[0]
    tree = entry.fields.get("join")
    kind = "add" if tree is None else tree.text if isinstance(tree, Scalar) else ""
    join = kind_named(kind)
    if join is None or join.arity[1] is not None:
        known = joins()
        raise draft.evaluate.error(
            tree or entry.tree, f"join must be one of {', '.join(known)}", did_you_mean(kind, known)
        )
    return draft.add(scope.namer.name(join), join(), tuple(ends), draft.origin(entry, scope), scope)


def _work(block: Block | None, entry: Entry, scope: Scope) -> int:
    """How many names and branches one call of a block, or one pass through a structure, goes through."""
    if block is None:
        return len(scope.variables) + 4 * len(entry.parts)
    # Each default sees the vars and the parameters before it.
    seen = len(block.params) * (len(block.params) + len(scope.globals)) // 10
    return len(scope.variables) + len(scope.globals) + len(block.inputs) + seen
