"""How the time of `diff` and of `compare --by layer` grows with the number of layers, on changes that people make.

python tests/benchmarks/diff_growth.py [LAYERS ...]
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archcalc.analysis import analyze
from archcalc.comparison.compare import compare
from archcalc.comparison.diff import diff
from archcalc.engine.report import Report
from archcalc.spec.architecture import read
from archcalc.spec.source import Document

STEM = "  - conv: {filters: 4, kernel: 3, pad: 1}\n"


def blocks(layers: int, filters: int = 8, more: str = "", repeat: int = 0) -> str:
    """Blocks of a convolution, a batch norm and a ReLU, as many as make so many layers."""
    unit = f"[{{conv: {{filters: {filters}, kernel: 1}}}}, batchnorm, relu{more}]"
    body = f"  - unit: {{name: body, repeat: {repeat + layers // 3}}}\n"
    return f"input: [4, 8, 8]\nblocks: {{unit: {{layers: {unit}}}}}\nlayers:\n{body}"


def chain(layers: int, stem: str = "", filters: str = "4") -> str:
    """A chain of convolutions, behind a stem."""
    return f"input: [4, 8, 8]\nlayers:\n{stem}  - conv: {{filters: {filters}, kernel: 1, repeat: {layers}}}\n"


CHANGES: dict[str, Callable[[int], tuple[str, str]]] = {
    "the width of every block": lambda n: (blocks(n), blocks(n, filters=12)),
    "a dropout in every block": lambda n: (blocks(n), blocks(n, more=", dropout")),
    "five more blocks": lambda n: (blocks(n), blocks(n, repeat=5)),
    "a stem before equal layers": lambda n: (chain(n), chain(n, STEM)),
    "a stem before growing layers": lambda n: (chain(n, filters="i + 4"), chain(n, STEM, "i + 4")),
    "the width of growing layers": lambda n: (chain(n, filters="i + 4"), chain(n, filters="i + 9")),
}  # fmt: skip


def analyzed(text: str) -> Report:
    """The report of a spec."""
    return analyze(read(Document("benchmark", text)))


def main(sizes: list[int]) -> None:
    """Print seconds for each change at each size, and how many times those of the size before they are."""
    print("seconds of processor time (times those of the size before)")
    for name, change in CHANGES.items():
        before: dict[str, float] = {}
        for layers in sizes:
            old, new = map(analyzed, change(layers))
            for what in ("diff", "compare"):
                begin = time.process_time()
                if what == "diff":
                    diff("net", old, new)
                else:
                    compare([old, new], "layer")
                seconds = time.process_time() - begin
                times = f"({seconds / before[what]:5.1f} ×)" if what in before else " " * 9
                print(f"{seconds:7.3f} {times}  {layers:9,} layers  {what:7}  {name}")
                before[what] = seconds


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [10**3, 10**4, 10**5])
