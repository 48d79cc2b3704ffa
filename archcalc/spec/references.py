"""What the names in an entry lead to: the values that it reads, and the layers whose weights it uses."""

from typing import TypeAlias

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError
from archcalc.layers import Layer
from archcalc.spec.architecture import Block
from archcalc.spec.draft import Draft
from archcalc.spec.entry import Entry
from archcalc.spec.scope import Scope, Tied
from archcalc.spec.source import Scalar, SequenceNode, Tree, problem_at

EDGE_ITEMS = 60
"""How much work it is to look up a name in `from`, and then to follow the edge that it makes."""
_COUNT_WORDS = {2: "two", 3: "three", 4: "four"}

Inputs: TypeAlias = tuple[int, ...]


def inputs_of(
    draft: Draft, entry: Entry, kind: type[Layer] | Block | None, times: int, scope: Scope, current: int
) -> Inputs:
    """The values that an entry reads, as many as its kind takes."""
    tree = entry.common.get("from")
    inputs: Inputs = (current,)
    if tree is not None:
        inputs = _sources(draft, tree, entry, scope)
        if not draft.condition("train_only", entry, scope, otherwise=scope.train_only):
            _require_run(draft, inputs, tree)
    least, most = _arity(kind)
    where = tree or entry.tree
    if least > 1 and times > 1 and not isinstance(kind, Block):
        raise draft.evaluate.error(where, f"{entry.kind} cannot be repeated: it takes several inputs")
    if len(inputs) < least or (most is not None and len(inputs) > most):
        raise _wrong_count(draft, where, entry, kind, len(inputs))
    if times > 1 and isinstance(kind, Block) and len(kind.outputs) > least:
        message = f"{entry.kind} cannot be repeated: it gives {len(kind.outputs)} results and takes {least}"
        raise draft.evaluate.error(where, message, "let it take as many inputs")
    return inputs


def tied_layer(draft: Draft, tree: Tree, entry: Entry, scope: Scope) -> int:
    """The position of the node that a name after `tied` leads to."""
    found = scope.node(tree, entry, draft.paths, "tied")
    if isinstance(found, int) and found >= draft.first:
        return found - draft.first
    at_input = problem_at(tree, "tied: the input holds no weights", "name a layer")
    raise SpecError([found] if isinstance(found, Problem) else [at_input] if found is not None else [])


def tied_block(draft: Draft, entry: Entry, scope: Scope, name: str | None) -> Tied | None:
    """Whose weights the layers of a block use that is called as `name`: what it says, or the block around it."""
    tree = entry.common.get("tied")
    if tree is None:
        return scope.tied
    tied_layer(draft, tree, entry, scope)
    other = scope.path(tree.text if isinstance(tree, Scalar) else "", draft.paths)
    return Tied(f"{scope.prefix}{name}.", f"{other}.", tree)


def counterpart(draft: Draft, cls: type[Layer], path: str, tied: Tied | None) -> int | None:
    """The position of the node whose weights the layer at a path uses, as its block is tied to another."""
    if tied is None or cls.parameters is Layer.parameters:
        return None
    value = draft.paths.get(tied.other + path.removeprefix(tied.own))
    if value is None:
        message = f"tied: {tied.other[:-1]!r} lacks layers that {tied.own[:-1]!r} has"
        hint = "tie it to a call of the same block, with the same parameters"
        raise draft.evaluate.error(tied.tree, message, hint)
    return value - draft.first


def _sources(draft: Draft, tree: Tree, entry: Entry, scope: Scope) -> Inputs:
    """The values that an entry's `from` names; raises SpecError with all names that lead nowhere."""
    inputs: list[int] = []
    problems: list[Problem] = []
    is_known = False
    items = tree.items if isinstance(tree, SequenceNode) else [tree]
    draft.evaluate.count_work(tree, EDGE_ITEMS * len(items))
    for item in items:
        found = scope.node(item, entry, draft.paths)
        if isinstance(found, int):
            inputs.append(found)
        elif found is None:
            is_known = True
        else:
            problems.append(found)
            if len(problems) > MAX_PROBLEMS:
                break
    if problems or is_known:
        raise SpecError(problems)
    return tuple(inputs)


def _require_run(draft: Draft, inputs: Inputs, tree: Tree) -> None:
    for i in inputs:
        if not draft.runs(i):
            message = f"from: {draft.nodes[i - draft.first].name} runs only in training"
            raise draft.evaluate.error(tree, message, "layers that read it must also be `train_only`")


def _wrong_count(draft: Draft, where: Tree, entry: Entry, kind: type[Layer] | Block | None, got: int) -> SpecError:
    least, most = _arity(kind)
    count = _COUNT_WORDS.get(least, str(least))
    or_more = " or more" if most is None else f" or {_COUNT_WORDS.get(most, most)}" if most > least else ""
    message = f"{entry.kind} needs {count}{or_more} inputs"
    if least == 1:
        hint = "join them first with add or concat"
        return draft.evaluate.error(where, f"{entry.kind} takes one input, got {got}", hint)
    names = kind.inputs if isinstance(kind, Block) else "abcdefgh"[:least]
    hint = f"name them: `from: [{', '.join(names)}]`"
    return draft.evaluate.error(where, message if got == 1 else f"{message}, got {got}", hint)


def _arity(kind: type[Layer] | Block | None) -> tuple[int, int | None]:
    """How many inputs a kind, a block or (None) a structure takes, at the least and at the most."""
    if isinstance(kind, Block):
        return len(kind.inputs), len(kind.inputs)
    return (1, 1) if kind is None else kind.arity
