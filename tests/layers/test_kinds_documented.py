"""Every kind says what it is, in the same words and the same order."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archcalc.layers
from archcalc.layers import Layer, kinds
from archcalc.spec.description import SECTIONS, sections
from archcalc.spec.fields import describe, field_types

every_kind = pytest.mark.parametrize("cls", kinds().values(), ids=kinds())


def docstring(cls: type[Layer]) -> str:
    assert cls.__dict__.get("__doc__"), "no docstring of its own"
    return inspect.cleandoc(cls.__doc__ or "")


@every_kind
def test_the_first_line_is_a_summary(cls: type[Layer]) -> None:
    summary, _, rest = docstring(cls).partition("\n")
    assert re.match(r"[A-Z0-9].*[.:)]", summary), "a sentence, to its full stop"
    assert rest.startswith("\n"), "an empty line after the summary"


@every_kind
def test_the_sections_are_there_and_not_empty(cls: type[Layer]) -> None:
    assert tuple(sections(cls)) == SECTIONS
    assert all(sections(cls).values())


@every_kind
def test_its_own_sections_are_in_order_and_say_ops_and_source(cls: type[Layer]) -> None:
    own = re.findall(r"^([A-Z][a-z]+):(?= \S|$)", docstring(cls).partition("\n")[2], re.MULTILINE)
    assert own == [section for section in SECTIONS if section in own]
    assert {"Ops", "Source"} <= set(own)


@every_kind
def test_the_fields_section_names_the_fields_in_order(cls: type[Layer]) -> None:
    said = sections(cls)["Fields"]
    if field_types(cls):
        assert re.findall(r"^ *(\w+): \S", said, re.MULTILINE) == list(field_types(cls))
    else:
        assert said == "none"


@every_kind
def test_there_is_a_worked_example(cls: type[Layer]) -> None:
    assert re.search(r"^>>> ", docstring(cls), re.MULTILINE)


@every_kind
def test_every_field_says_what_it_must_be(cls: type[Layer]) -> None:
    for name, type_ in field_types(cls).items():
        assert describe(type_), name


@every_kind
def test_the_twin_takes_fields_of_the_kind(cls: type[Layer]) -> None:
    assert cls.torch.path.startswith(("torch.", "archcalc.torch_backend."))
    assert cls.torch.fields() <= set(field_types(cls))


def test_every_kind_that_is_written_is_imported() -> None:
    written = {
        keyword.value.value
        for path in Path(archcalc.layers.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for keyword in node.keywords
        if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant)
    }
    # A fresh interpreter: here, other tests may have imported a file that archcalc.layers forgets.
    command = [sys.executable, "-c", "from archcalc.layers import kinds; print(*kinds())"]
    root = Path(archcalc.__file__).parents[1]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert written
    assert set(result.stdout.split()) == written
