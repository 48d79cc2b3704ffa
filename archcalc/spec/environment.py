"""What the layers of a spec start from: its vars with their values, and the shapes of its inputs."""

from collections.abc import Mapping
from typing import cast

from archcalc.errors import Problem, SettingError, SpecError, did_you_mean
from archcalc.layers.core.arithmetic import Shape
from archcalc.spec.architecture import Architecture
from archcalc.spec.ends import INPUT
from archcalc.spec.fields import Evaluator, show
from archcalc.spec.source import Tree, problem_at
from archcalc.spec.values import Value, is_size


def evaluated_vars(
    architecture: Architecture, overrides: Mapping[str, Value], evaluate: Evaluator
) -> tuple[dict[str, Value], list[Problem]]:
    """The vars of a spec in their order, each of which may read those before it; and the problems with them.

    Raises SettingError for an override of a variable that the spec does not have.
    """
    trees, values, problems = architecture.vars, dict[str, Value](), list[Problem]()
    for name in overrides:
        if name not in trees:
            known = f"its vars: {', '.join(trees)}" if trees else "it has no vars"
            message = f"{architecture.name} has no variable {name!r}"
            raise SettingError(message, hint=did_you_mean(name, trees, known))
    for name, tree in trees.items():
        if name in overrides:
            values[name] = overrides[name]
            continue
        try:
            later = [read for read in evaluate.names(tree) if read in trees and read not in values]
            if later:
                message = f"{name} uses {min(later)!r}, which is defined below it"
                raise evaluate.error(tree, message, "vars are computed in their order: move it up")
            values[name] = evaluate.value(tree, values)
        except SpecError as error:
            problems += error.problems
            values[name] = 1  # so that what reads it is not reported as well
    return values, problems


def input_shapes(
    inputs: Mapping[str, Tree], variables: Mapping[str, Value], evaluate: Evaluator, given: Mapping[str, Shape]
) -> tuple[dict[str, Shape], list[Problem]]:
    """The shapes of a spec's inputs, those of `given` in place of its own, and the problems with the others."""
    shapes, problems = dict[str, Shape](), list[Problem]()
    for name, tree in inputs.items():
        if name != INPUT and name in variables:
            problems.append(
                problem_at(tree, f"{name} is both an input and a variable", "give one of them another name")
            )
        elif name in given:
            shapes[name] = given[name]
        else:
            try:
                shapes[name] = _shape(name, tree, variables, evaluate)
            except SpecError as error:
                problems += error.problems
    return shapes, problems


def _shape(name: str, tree: Tree, variables: Mapping[str, Value], evaluate: Evaluator) -> Shape:
    value = evaluate.value(tree, variables)
    dims = value if isinstance(value, tuple) else (value,)
    if dims and all(map(is_size, dims)):
        return cast("Shape", dims)
    raise evaluate.error(
        tree, f"{name} must be a list of whole numbers ≥ 1, got {show(value)}", "such as [3, 224, 224]"
    )
