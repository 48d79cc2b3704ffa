"""How long a layer takes in process, at 10^4 and at 10^6 layers: expansion, the plain totals, and all figures.

python tests/benchmarks/million_layers.py [RUNS]
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archcalc.engine.propagation import report_on
from archcalc.engine.settings import Settings
from archcalc.spec.architecture import read
from archcalc.spec.expand import expand
from archcalc.spec.source import Document

SETTINGS = Settings({"input": (8, 16, 16)}, 1, "float32", "lecture")
SPEC = """
input: [8, 16, 16]
layers:
  - conv: {{filters: 8, kernel: 3, pad: 1, repeat: {layers}}}
"""


def microseconds_per_layer(layers: int, runs: int) -> dict[str, float]:
    """The best of some runs, for each part: what noise adds, it only adds."""
    architecture = read(Document("benchmark", SPEC.format(layers=layers)))
    best: dict[str, float] = {}
    for _ in range(runs):
        begin = time.process_time()
        graph, problems = expand(architecture)
        expanded = time.process_time()
        report, shape_problems = report_on(graph, SETTINGS)
        assert report.totals.macs == layers * 8 * 16 * 16 * 8 * 9
        sums = time.process_time()
        assert len(report.layers) == layers
        assert report.totals.saved_for_backward_bytes is not None
        end = time.process_time()
        assert not problems
        assert not shape_problems
        parts = {"expansion": expanded - begin, "params, MACs, memory": sums - expanded, "all figures": end - expanded}
        best = {name: min(seconds, best.get(name, seconds)) for name, seconds in parts.items()}
        del graph, report
    return {name: seconds / layers * 1e6 for name, seconds in best.items()}


def main(runs: int) -> None:
    """Print the microseconds of each part at both sizes."""
    microseconds_per_layer(10**4, 3)
    small, large = microseconds_per_layer(10**4, 10 * runs), microseconds_per_layer(10**6, runs)
    print(f"best of {runs} runs at 10^6 layers, of {10 * runs} at 10^4; microseconds of processor time a layer")
    for name in small:
        print(f"{small[name]:6.2f} at 10^4  {large[name]:6.2f} at 10^6  {large[name] / small[name]:5.2f} ×  {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
