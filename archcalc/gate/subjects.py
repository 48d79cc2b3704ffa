"""What `archcalc check` is to check: by names, files and folders, or by the patterns of the configuration."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from archcalc.errors import Location, SettingError, SpecError, did_you_mean
from archcalc.gate.config import Config, NamedBaseline, Pattern
from archcalc.gate.judge import Checked, Finding
from archcalc.gate.rules import NOTHING_MATCHED
from archcalc.spec.catalogue import file_and_variant, find_all, names
from archcalc.spec.evaluation import some
from archcalc.spec.search import specs_matching

STANDARD_INPUT = "<stdin>"


class Subject(NamedTuple):
    """What is to be checked, under the name that the user gave it: a shipped name, a file, or one variant in it."""

    name: str
    path: str | None
    variant: str | None = None

    @classmethod
    def of(cls, what: str) -> "Subject":
        """What an argument of the command line names."""
        file = file_and_variant(what)
        if what == "-":
            return cls(STANDARD_INPUT, "-")
        if file:
            return cls(what, *file)
        return cls(what, what if os.sep in what or os.path.exists(what) else None)


def named(arguments: Sequence[str], config: Config) -> tuple[list[Subject], list[Checked]]:
    """The specs that the arguments name, for a folder all specs in it; and failed checks for what is missing.

    Raises SettingError where a name is that of a folder and of a shipped architecture.
    """
    found: list[Subject] = []
    missing = []
    for what in arguments:
        if not os.path.isdir(what):
            found.append(Subject.of(what))
            continue
        if what in names():
            hint = f"{os.path.join(os.curdir, what)} for the folder"
            raise SettingError(f"{what!r} is both a folder and a shipped architecture", hint=hint)
        files = specs_matching(os.path.normpath(what))
        there = {subject.path for subject in found}
        found += [Subject(path, path) for path in files if path not in there]
        if not files:
            finding = Finding(NOTHING_MATCHED, f"no specs in the folder {what}", Location(what, 1, 1))
            missing.append(Checked(what, what, findings=(finding,)))
    paths = {os.path.realpath(subject.path) for subject in found if subject.path}
    for pattern in config.patterns:
        files = config.files(pattern) if pattern.variant else []
        if not paths.isdisjoint(map(os.path.realpath, files)) and not _with_variant(files, pattern):
            missing.append(_unmatched(pattern, files, config))
    return found, missing


def configured(config: Config) -> tuple[list[Subject], list[Checked]]:
    """All that the configuration matches, and a failed check for each pattern or baseline that matches nothing.

    Raises SettingError where there is no pattern at all.
    """
    if config.path is None:
        hint = 'name specs, or write [budgets."models/*.yaml"] in archcalc.toml'
        raise SettingError("no specs given, and there is no configuration", hint=hint)
    if not config.patterns:
        name = os.path.relpath(config.path)
        raise SettingError(f"no specs given, and {name} has no budgets", hint='such as [budgets."models/*.yaml"]')
    found: dict[tuple[str, str | None], Subject] = {}
    unmatched = []
    for pattern in config.patterns:
        files = config.files(pattern)
        matched = _with_variant(files, pattern)
        for path in matched:
            label = f"{path}:{pattern.variant}" if pattern.variant else path
            found.setdefault((path, pattern.variant), Subject(label, path, pattern.variant))
        if not matched:
            unmatched.append(_unmatched(pattern, files, config))
    unmatched += [_not_there(base, config) for base in config.baselines if not _is_there(base, config)]
    # A file as a whole has its variants in it.
    whole = {path for path, variant in found if variant is None}
    return [s for (path, variant), s in found.items() if variant is None or path not in whole], unmatched


def _with_variant(files: Iterable[str], pattern: Pattern) -> list[str]:
    """The files that have a pattern's variant; those that cannot be read, too, for their check says why."""
    if pattern.variant is None:
        return list(files)
    return [path for path in files if (variants := _variants(path)) is None or pattern.variant in variants]


def _variants(path: str) -> list[str] | None:
    try:
        return [variant for variant in find_all(path) if variant is not None]
    except SpecError:
        return None


def _is_there(base: NamedBaseline, config: Config) -> bool:
    path = config.located(base.path)
    variants = _variants(path) if os.path.exists(path) else []
    return variants is None or (base.variant in variants if base.variant else os.path.exists(path))


def _not_there(base: NamedBaseline, config: Config) -> Checked:
    """The failed check of a baseline whose spec does not exist."""
    assert config.path is not None
    place = base.place.document.locate(base.place.line, base.place.column)
    message = f"{base.place.text} has a baseline, but does not exist"
    finding = Finding(NOTHING_MATCHED, message, place, "remove the line, or correct the name")
    return Checked(base.place.text, os.path.relpath(config.path), findings=(finding,))


def _unmatched(pattern: Pattern, files: Sequence[str], config: Config) -> Checked:
    """The failed check of a pattern that matches none of these files, or no variant in them."""
    assert config.path is not None
    name = os.path.relpath(config.path)
    what, hint = "file", f"paths are relative to the folder of {name}"
    if files:
        variants = [variant for path in files for variant in _variants(path) or ()]
        known = f"variants there: {some(variants)}" if variants else "the file has no variants"
        what, hint = "variant", did_you_mean(pattern.variant or "", variants, known) or ""
    place = pattern.place.document.locate(pattern.place.line, pattern.place.column)
    finding = Finding(NOTHING_MATCHED, f"the pattern {pattern.text!r} matches no {what}", place, hint)
    return Checked(pattern.text, name, findings=(finding,))
