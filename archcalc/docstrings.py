"""The texts that docstrings hold, which help and `archcalc kinds` show; `python -OO` leaves them out of the objects."""

import inspect
import sys
from typing import Any


def docstring(thing: Any) -> str:
    """The class's or function's own docstring, dedented: from its source where Python was told to drop it.

    >>> def halved(x):
    ...     '''Half of a number.'''
    >>> docstring(halved)
    'Half of a number.'
    """
    text = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    if text is None and sys.flags.optimize >= 2:
        text = _from_source(thing)
    return inspect.cleandoc(text or "")


def _from_source(thing: Any) -> str | None:
    import ast
    import textwrap

    try:
        source = inspect.getsource(thing)
    except (OSError, TypeError):  # it is written in C
        return None
    defined = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(defined, ast.ClassDef | ast.FunctionDef)
    return ast.get_docstring(defined)
