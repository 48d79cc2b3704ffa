"""What is worked out before specs are shipped says what working it out now says, and gives way where a text changed."""

import importlib
import os
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import archcalc
from archcalc import layers
from archcalc.errors import SpecError
from archcalc.layers import FAMILIES, kinds
from archcalc.shipped import figures, precompile
from archcalc.spec import catalogue, precompiled
from archcalc.spec.catalogue import read_shipped, shipped_spec_files
from archcalc.spec.files import read_file
from archcalc.spec.source import MappingNode, Scalar, Tree, parse

REMEDY = "regenerate it with `python -m archcalc.shipped.precompile`"


@pytest.fixture
def copied_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped specs, which commands read in their place."""
    copy = tmp_path / "specs"
    shutil.copytree(catalogue.specs_directory(), copy)
    monkeypatch.setattr(catalogue, "specs_directory", lambda: str(copy))
    return copy


def test_names_and_trees_are_those_of_the_shipped_specs() -> None:
    made = precompile.trees_and_names()
    for path, data in made.items():
        assert Path(path).is_file(), f"{path} is missing: {REMEDY}"
        assert Path(path).read_bytes() == data, f"{path} is out of date: {REMEDY}"
    there = {str(path) for path in Path(precompiled.FOLDER).rglob("*.json")}
    assert there == made.keys(), "the tree of a spec that is gone: remove it"


def test_listed_figures_are_those_of_the_engine() -> None:
    ((path, data),) = precompile.listed().items()
    assert Path(path).read_bytes() == data, f"{path} is out of date: {REMEDY}"


def nodes(tree: Tree) -> Iterator[tuple[object, ...]]:
    """Every node of a tree, in the order of the text, with all that is known of it."""
    place = (type(tree).__name__, tree.line, tree.column, tree.document.name)
    if isinstance(tree, Scalar):
        yield (*place, type(tree.value), tree.value, tree.text)
        return
    yield place
    if isinstance(tree, MappingNode):
        assert tree.keys.keys() == tree.items.keys()
        for key in tree.keys.values():
            yield from nodes(key)
    for item in tree.items.values() if isinstance(tree, MappingNode) else tree.items:
        yield from nodes(item)


@pytest.mark.parametrize("file", shipped_spec_files())
def test_a_tree_that_was_kept_is_the_one_that_is_read(file: str) -> None:
    kept = read_shipped(file)
    read, _ = parse(read_file(os.path.join(catalogue.specs_directory(), file)))
    assert kept.tree is not None
    assert list(nodes(kept.tree)) == list(nodes(read))


def test_a_shipped_spec_whose_text_was_changed_is_read_anew(copied_specs: Path) -> None:
    vgg = copied_specs / "vgg.yaml"
    before = archcalc.analyze("vgg16").totals.params
    vgg.write_text(vgg.read_text().replace("classes: 1000}", "classes: 10}"))
    assert archcalc.analyze("vgg16").totals.params == before - 990 * 4097
    blocks = copied_specs / "standard" / "blocks.yaml"
    assert read_shipped(catalogue.STANDARD_BLOCKS).tree is not None
    blocks.write_text(blocks.read_text() + "# a word more\n")
    assert read_shipped(catalogue.STANDARD_BLOCKS).tree is None


def test_the_list_is_worked_out_anew_where_a_spec_was_changed(
    copied_specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "computed_figures", lambda: ())
    assert len(figures.shipped_figures()) == len(catalogue.names())
    with (copied_specs / "lenet5.yaml").open("a") as spec:
        spec.write("# a word more\n")
    assert figures.shipped_figures() == ()


def test_an_error_in_a_shipped_spec_shows_its_place() -> None:
    with pytest.raises(SpecError) as caught:
        archcalc.analyze("vgg16", input=(3, 20, 20))
    location = caught.value.problems[0].location
    assert location is not None
    assert location.text[location.column - 1 :].startswith("2")
    assert "maxpool: 2" in location.text


def test_the_table_of_kinds_names_every_kind_in_its_file() -> None:
    defined: dict[str, list[str]] = {}
    for module in pkgutil.iter_modules(layers.__path__, "archcalc.layers."):
        importlib.import_module(module.name)
    for kind, cls in kinds().items():
        if cls.__module__.startswith("archcalc.layers."):
            defined.setdefault(cls.__module__.removeprefix("archcalc.layers."), []).append(kind)
    named = {family: sorted(kinds.split()) for family, kinds in FAMILIES.items()}
    assert named == defined, "name each kind, and no other, in FAMILIES of archcalc/layers/__init__.py"
