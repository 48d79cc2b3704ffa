"""Outline → Mermaid and DOT: boxes that say what a layer is, and edges with the shapes that flow.

Names come from specs that nobody vouches for: whatever they hold stays text in both languages.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from archcalc.engine.report import LayerReport
from archcalc.errors import printable
from archcalc.layers import Layer
from archcalc.layers.core.base import fmt_shape
from archcalc.layers.core.window import spread
from archcalc.render.charts.outline import OUTPUT, End, Outline, Part
from archcalc.units import COUNT_UNITS, human

LONGEST_TEXT = 60
BARE = ("filters", "features")
"""Fields whose value says enough without their name."""
QUIET = ("pad", "bias", "eps", "momentum")
"""Fields that say little to one who sees the shapes on the edges."""
MERMAID_EDGES, MERMAID_CHARACTERS = 500, 50_000
"""The most that Mermaid draws unless its settings maxEdges and maxTextSize are raised, which GitHub does not allow."""
PLAIN = r"\w ./×·…,-"
"""Characters that mean nothing to Mermaid, Markdown, HTML or YAML."""
INDENT = " " * 4


class _Language(NamedTuple):
    """How a language writes a picture: templates, and how a text is kept from being more than text."""

    head: tuple[str, ...]
    foot: tuple[str, ...]
    terminal: str
    layer: str
    group: str
    frame: str
    frame_end: str
    edge: str
    line_break: str
    title: Callable[[str], str]
    text: Callable[[str], str]


def mermaid(outline: Outline) -> str:
    """The picture as a Mermaid flowchart."""
    return _written(outline, _MERMAID)


def dot(outline: Outline) -> str:
    """The picture in DOT, the language of Graphviz."""
    return _written(outline, _DOT)


def too_large_for_mermaid(outline: Outline, text: str) -> str | None:
    """Why Mermaid will not draw the picture by default; None where it will."""
    if len(outline.edges) > MERMAID_EDGES:
        return f"{len(outline.edges):,} edges are more than the {MERMAID_EDGES:,} that Mermaid draws by default"
    if len(text) > MERMAID_CHARACTERS:
        return f"{len(text):,} characters are more than the {MERMAID_CHARACTERS:,} that Mermaid reads by default"
    return None


def describe(row: LayerReport) -> str:
    """A layer's kind, and the fields that matter: no defaults.

    >>> from archcalc import analyze, load
    >>> describe(analyze(load("alexnet")).layers[0])
    'conv 64, 11×11, /4'
    """
    layer, defaults = row.layer, _defaults(type(row.layer))
    words = []
    for name in layer.__struct_fields__:
        value = getattr(layer, name)
        if name == "stride" and value is None:
            value = getattr(layer, "step", None)  # a pool without a stride steps by its kernel
        if value is None or name in QUIET or (name in defaults and value == defaults[name]):
            continue
        if name == "kernel":
            words.append(fmt_shape(spread(value, max(len(row.inputs[0]), len(row.output)) - 1)))
        elif name == "stride":
            words.append(f"/{_value(value)}")
        elif isinstance(value, bool):
            words.append(name if value else f"no {name}")
        else:
            words.append(_value(value) if name in BARE else f"{name} {_value(value)}")
    return f"{row.kind} {', '.join(words)}".rstrip()


def _value(value: object) -> str:
    return fmt_shape(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _defaults(cls: type[Layer]) -> dict[str, object]:
    fields, defaults = cls.__struct_fields__, cls.__struct_defaults__
    return dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))


def _written(outline: Outline, language: _Language) -> str:
    lines = [line.format(title=language.title(_shortened(outline.title))) for line in language.head]
    lines += [INDENT + _terminal(language, id, name) for id, name in outline.inputs.items()]
    lines += _lines(outline.parts, language, "", INDENT, itertools.count())
    lines.append(INDENT + _terminal(language, OUTPUT, OUTPUT))
    for edge in outline.edges:
        text = language.line_break.join(map(fmt_shape, edge.shapes))
        lines.append(INDENT + language.edge.format(source=_end(edge.source), target=_end(edge.target), text=text))
    return "\n".join([*lines, *language.foot]) + "\n"


def _terminal(language: _Language, id: str, name: str) -> str:
    return language.terminal.format(id=id, name=language.text(_shortened(name)))


def _lines(
    parts: tuple[Part, ...], language: _Language, around: str, indent: str, numbers: Iterator[int]
) -> Iterator[str]:
    """The boxes and frames of parts; `around` is the path of the frame that they are in."""
    for part in parts:
        text = language.line_break.join(language.text(line) for line in _label(part, around))
        if part.key is not None:
            yield indent + (language.layer if part.row else language.group).format(id=_end(part.key), text=text)
        else:
            yield indent + language.frame.format(id=next(numbers), text=text)
            yield from _lines(part.parts, language, part.path, indent + INDENT, numbers)
            yield indent + language.frame_end


def _end(key: End) -> str:
    return key if isinstance(key, str) else f"n{key}"


def _label(part: Part, around: str) -> tuple[str, ...]:
    """The lines in a box or over a frame. A layer in a frame is named without the frame's path."""
    name = _shortened(part.name.removeprefix(f"{around}.") if part.row else part.name)
    each = " each" if part.times > 1 else ""
    if each:
        name = f"{name} ×{part.times:,}"
    if part.key is None:
        return (name,)
    what = describe(part.row) if part.row else f"{part.layers:,} layers"
    first = name if name == what else f"{name} · {what}"
    return (first, f"{human(part.params, COUNT_UNITS)} params{each}") if part.params else (first,)


def _shortened(text: str) -> str:
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]}…{text[-half:]}"


def _mermaid_title(text: str) -> str:
    r"""Text inside the quotes of YAML, where a directive of Mermaid such as %%{…}%% is none for being \u0025…."""
    return re.sub(f"[^{PLAIN}]", lambda match: f"\\U{ord(match.group()):08x}", printable(text))


def _mermaid_text(text: str) -> str:
    """Text inside quotes; all that is not plain is a numbered entity.

    The words `direction TB` are a statement to Mermaid even inside of quotes.
    """
    return re.sub(f"[^{PLAIN}]|(?<=direction) ", lambda match: f"#{ord(match.group())};", printable(text))


def _dot_text(text: str) -> str:
    r"""Text inside quotes; DOT would take \ for an escape, and & for an entity of HTML."""
    return printable(text).replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"')


_MERMAID = _Language(
    head=("---", 'title: "{title}"', "---", "flowchart TD"),
    foot=(),
    terminal='{id}(["{name}"])',
    layer='{id}["{text}"]',
    group='{id}[["{text}"]]',
    frame='subgraph g{id}["{text}"]',
    frame_end="end",
    edge='{source} -->|"{text}"| {target}',
    line_break="<br/>",
    title=_mermaid_title,
    text=_mermaid_text,
)
_DOT = _Language(
    head=(
        "digraph network {{",
        '    graph [label="{title}", labelloc=t, fontname="Helvetica", ranksep=0.3]',
        '    node [shape=box, style=filled, fillcolor="#f6f8fa", fontname="Helvetica", fontsize=11, height=0.3]',
        '    edge [fontname="Helvetica", fontsize=9, arrowsize=0.6]',
    ),
    foot=("}",),
    terminal='{id} [label="{name}", shape=oval]',
    layer='{id} [label="{text}"]',
    group='{id} [label="{text}", peripheries=2]',
    frame='subgraph cluster_{id} {{ graph [label="{text}", labeljust=l, fontsize=11, color="#8c959f"]',
    frame_end="}",
    edge='{source} -> {target} [label=" {text}"]',
    line_break="\\n",
    title=_dot_text,
    text=_dot_text,
)
