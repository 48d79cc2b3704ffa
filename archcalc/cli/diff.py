"""`archcalc diff`."""

import os
from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import JSON_OR_TABLE, chosen_format, output_option, settings_options
from archcalc.errors import ArchcalcError, SettingError

if TYPE_CHECKING:
    from archcalc.comparison.diff import ReportDiff

FORMATS = ("table", "json", "markdown")


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("arguments", nargs=-1, metavar="[BASE[..HEAD]] [PATHS]...")
@click.option("--base", metavar="REVISION", help="Git revision to compare with; all arguments are then paths.")
@click.option("--compare-to", type=click.Path(), metavar="REPORT", help="A JSON report to compare one spec with.")
@settings_options
@click.option("--all", "all_", is_flag=True, help="Show every changed layer, not only the heaviest 20 of each spec.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Output format; by default a table.")
@click.option("--json", "json_", is_flag=True, help="Short for --format json.")
@output_option
def diff(
    arguments: tuple[str, ...],
    base: str | None,
    compare_to: str | None,
    assignments: tuple[tuple[str, Any], ...],
    all_: bool,
    format_: str | None,
    json_: bool,
    output: str | None,
    **settings: Any,
) -> None:
    """Show how a change to specs changes their cost: totals, and layer by layer.

    Without arguments, the specs of this folder are compared with the commit where the branch left the default branch.
    BASE is another branch, tag or commit: the changes of HEAD and the work tree since they branched off it are shown.
    BASE..HEAD compares just these two. PATHS (files or folders) limit the comparison. Nothing is checked out.

    Two specs, files or shipped names, are compared with each other: archcalc diff old.yaml new.yaml. A file of a family
    is compared variant by variant, and a spec that extends a changed one changes with it.

    Exits with 0 whatever changed, and with 2 if a spec cannot be read or git finds no base; everything else is still
    shown.
    """
    from archcalc.history.changes import History

    form = chosen_format(format_, json_, output, {**JSON_OR_TABLE, ".md": "markdown"})
    settings["vars"] = dict(assignments)
    if compare_to is not None:
        one, notes = _with_report(arguments, compare_to, settings)
        found, against = History((one,), (), notes), compare_to
    elif base is None and len(arguments) == 2 and all(map(_is_spec, arguments)):
        found, against = History((_two(*arguments, settings),), (), ()), ""
    else:
        found, against = _since(arguments, base, settings)
    _write(found, _caption(settings, against), form, all_, output)
    if found.problems:
        raise ArchcalcError(problems=found.problems)


def _is_spec(what: str) -> bool:
    """Whether an argument names a spec: a file, or a shipped one that is no revision of git as well."""
    from archcalc.history.git import Repository
    from archcalc.spec.catalogue import file_and_variant, names

    if file_and_variant(what) or os.path.isfile(what) or _is_stream(what):
        return True
    if what not in names():
        return False
    try:
        if Repository().has_revision(what):
            hint = f"--base {what} for the revision, or refs/heads/{what}"
            raise SettingError(f"{what!r} is both a shipped architecture and a git revision", hint=hint)
    except SettingError as error:
        if "shipped" in error.problems[0].message:
            raise
    return True


def _is_stream(what: str) -> bool:
    """Whether it is standard input, or a pipe as a shell makes of `<(...)`: no path of a repository."""
    return what == "-" or (os.path.exists(what) and not (os.path.isfile(what) or os.path.isdir(what)))


def _two(old: str, new: str, settings: dict[str, Any]) -> "ReportDiff":
    from archcalc.analysis import analyze
    from archcalc.comparison.diff import diff
    from archcalc.spec.catalogue import find

    reports = [analyze(find(what), **settings) for what in (old, new)]
    return diff(f"{old} → {new}", *reports)


def _with_report(specs: tuple[str, ...], path: str, settings: dict[str, Any]) -> tuple["ReportDiff", tuple[str, ...]]:
    """What changed since a report was kept, and what it was taken at otherwise."""
    from archcalc.analysis import analyze
    from archcalc.comparison.diff import diff
    from archcalc.gate.baselines import read_reports
    from archcalc.spec.catalogue import find

    if len(specs) != 1:
        raise SettingError(
            f"--compare-to is for one spec, got {len(specs)}", hint="archcalc diff NAME --compare-to FILE"
        )
    before, *others = read_reports(path)
    if others:
        raise SettingError(
            f"{path} contains {len(others) + 1} reports, diff takes one", hint="archcalc table NAME --json"
        )
    after = analyze(find(specs[0]), **settings)
    differences = before.settings.differences(after.settings).values()
    return diff(specs[0], before, after), tuple(f"{path} was computed at {words}" for words in differences)


def _since(arguments: tuple[str, ...], base: str | None, settings: dict[str, Any]) -> tuple[Any, str]:
    """What changed since a revision, and which one that is."""
    from archcalc.history.changes import compared
    from archcalc.history.git import Repository

    for path in arguments:
        if _is_stream(path):
            raise SettingError(f"{path!r} is not in a git repository", hint="archcalc diff OLD NEW compares two specs")
    repository = Repository()
    head = None
    if base is None and arguments and not os.path.exists(arguments[0]):
        base, arguments = arguments[0], arguments[1:]
    if base is not None and "..." not in base and ".." in base:
        first, _, last = base.partition("..")
        start, head = repository.commit(first or "HEAD"), repository.commit(last or "HEAD")
    else:
        start = repository.merge_base(base)
    for path in arguments:
        if not os.path.exists(path) and not any(path in (c.before, c.after) for c in repository.changes(start, head)):
            raise SettingError(f"{path!r} exists neither now nor at the base")
    left = f" (where HEAD branched off {base or 'the default branch'})"
    against = f"{start[:10]} → {head[:10]}" if head else f"{start[:10]}{left} → the work tree"
    found = compared(repository, start, head, arguments, **settings)
    if head is None and start == repository.commit("HEAD"):
        found = found._replace(notes=("the base is HEAD: only uncommitted changes are compared", *found.notes))
    return found, against


def _caption(settings: dict[str, Any], against: str) -> str:
    from archcalc.engine.conventions import CONVENTIONS
    from archcalc.layers.core.base import fmt_shape

    parts = [against] if against else []
    given = settings["input"]
    if isinstance(given, dict):
        words = ", ".join(f"{name} {fmt_shape(shape)}" for name, shape in given.items())
        parts += [f"input {words}" if len(given) == 1 else f"inputs {words}"]
    else:
        parts += [f"input {fmt_shape(given)}" if given else "each spec's own input"]
    convention = settings["convention"]
    parts += [f"batch {settings['batch']}", settings["dtype"]]
    parts += [f"{convention} convention: {CONVENTIONS[convention].statement}"]
    return " · ".join(parts)


def _write(found: Any, caption: str, form: str, all_: bool, output: str | None) -> None:
    from archcalc.render.output import print_grids, write

    if form == "json":
        from archcalc.comparison.diff import SCHEMA_VERSION
        from archcalc.render.formats.data import as_document

        problems = [str(problem) for problem in found.problems]
        specs = [one.to_dict() for one in found.diffs]
        notes = list(found.notes)
        write(as_document(SCHEMA_VERSION, caption=caption, specs=specs, notes=notes, problems=problems), output)
        return
    from archcalc.render import diff as render

    if form == "markdown":
        broken = [f"error: {problem.location or ''} {problem.message}" for problem in found.problems]
        write(render.comment(found.diffs, caption, [*found.notes, *broken]), output)
        return
    import msgspec

    changed = [one for one in found.diffs if one.kind != "same"]
    if not changed:
        write("\n".join([caption, "", "no spec changed its cost", *found.notes, ""]), output)
        return
    most = None if all_ else render.MOST_LAYERS
    grids = []
    for i, one in enumerate(changed):
        grids.append(render.totals_grid(one, "" if i else caption))
        if one.layers:
            grids.append(render.layers_grid(one, most=most))
    grids[-1] = msgspec.structs.replace(grids[-1], notes=(*grids[-1].notes, *found.notes))
    print_grids(grids, output)
