"""archcalc reports what a neural network costs, from a text spec.

>>> import archcalc
>>> report = archcalc.analyze(archcalc.load("alexnet"))
>>> report.totals.params
61100840
"""

from typing import TYPE_CHECKING, Any

from archcalc._version import __version__

if TYPE_CHECKING:
    from archcalc.analysis import analyze, load
    from archcalc.api import freeze, parameter_groups, to_torch
    from archcalc.engine.report import LayerReport, Report
    from archcalc.engine.settings import Settings
    from archcalc.engine.totals import Totals
    from archcalc.errors import ArchcalcError, SettingError, SpecError
    from archcalc.graph import Graph
    from archcalc.graph.builder import Builder
    from archcalc.spec.architecture import Architecture
    from archcalc.spec.catalogue import names

_HOMES = {
    "ArchcalcError": "archcalc.errors",
    "Architecture": "archcalc.spec.architecture",
    "Builder": "archcalc.graph.builder",
    "Graph": "archcalc.graph",
    "LayerReport": "archcalc.engine.report",
    "Report": "archcalc.engine.report",
    "SettingError": "archcalc.errors",
    "Settings": "archcalc.engine.settings",
    "SpecError": "archcalc.errors",
    "Totals": "archcalc.engine.totals",
    "analyze": "archcalc.analysis",
    "freeze": "archcalc.api",
    "load": "archcalc.analysis",
    "names": "archcalc.spec.catalogue",
    "parameter_groups": "archcalc.api",
    "to_torch": "archcalc.api",
}

__all__ = [
    "ArchcalcError",
    "Architecture",
    "Builder",
    "Graph",
    "LayerReport",
    "Report",
    "SettingError",
    "Settings",
    "SpecError",
    "Totals",
    "__version__",
    "analyze",
    "freeze",
    "load",
    "names",
    "parameter_groups",
    "to_torch",
]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `archcalc --version` and shell completion stay instant.
    import importlib

    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except KeyError:
        raise AttributeError(f"module 'archcalc' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return __all__
