"""A kind that no loop counts would be believed on its own word."""

import ast
from pathlib import Path

import pytest

from archcalc.layers import Layer, kinds

HERE = Path(__file__).parent


def words(path: Path) -> set[str]:
    """Every name that a file uses, and every text in it but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs}
    return names | {text for text in texts if isinstance(text, str)}


COUNTED = set().union(*(words(path) for path in HERE.glob("*counting*.py")))


RULES = ("output", "parameters", "buffers", "ops")
CLAIM_SOMETHING = [
    cls for cls in kinds().values() if any(getattr(cls, rule) is not getattr(Layer, rule) for rule in RULES)
]


@pytest.mark.parametrize("cls", CLAIM_SOMETHING, ids=lambda cls: cls.kind)
def test_a_loop_counts_it(cls: type[Layer]) -> None:
    assert {cls.kind, cls.__name__} & COUNTED, (
        f"no witness of {cls.kind}: write a loop in tests/layers/counting_*.py that goes through every element and"
        " counts what it does, and compare it with the rules by `agree` in tests/layers/test_counting_*.py"
    )
