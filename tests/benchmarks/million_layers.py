"""How long a layer takes in process, at 10^4 and at 10^6 layers: propagation, counting and building the rows.

python tests/benchmarks/million_layers.py [RUNS]
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archcalc.engine.conventions import LECTURE
from archcalc.engine.figures import MACS
from archcalc.engine.propagation import propagate
from archcalc.spec.architecture import read
from archcalc.spec.expand import expand
from archcalc.spec.source import Document

SPEC = """
input: [8, 16, 16]
layers:
  - conv: {{filters: 8, kernel: 3, pad: 1, repeat: {layers}}}
"""


def microseconds_per_layer(layers: int, runs: int) -> tuple[float, float]:
    """The best of some runs, for expansion and for the engine: what noise adds, it only adds."""
    architecture = read(Document("benchmark", SPEC.format(layers=layers)))
    expansion, engine = [], []
    for _ in range(runs):
        begin = time.perf_counter()
        graph, problems = expand(architecture)
        expanded = time.perf_counter()
        rows, shape_problems = propagate(graph, 1, "float32", LECTURE)
        macs = MACS.known(rows)
        end = time.perf_counter()
        assert not problems
        assert not shape_problems
        assert macs == layers * 8 * 16 * 16 * 8 * 9
        expansion.append(expanded - begin)
        engine.append(end - expanded)
        del graph, rows
    return min(expansion) / layers * 1e6, min(engine) / layers * 1e6


def main(runs: int) -> None:
    microseconds_per_layer(10**4, 3)
    small, large = microseconds_per_layer(10**4, 10 * runs), microseconds_per_layer(10**6, runs)
    print(f"best of {runs} runs at 10^6 layers, of {10 * runs} at 10^4; microseconds a layer")
    for name, a, b in (("expansion", small[0], large[0]), ("propagation, counting, rows", small[1], large[1])):
        print(f"{a:6.2f} at 10^4  {b:6.2f} at 10^6  {b / a:5.2f} ×  {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
