"""How long a cold `archcalc table` of each shipped architecture takes, against a bare Python; and `archcalc list`.

python tests/benchmarks/zoo.py [RUNS]
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import archcalc
from tests.running import ROOT, environment

SHOWN = 8


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
    return time.perf_counter() - start


def main(runs: int) -> None:
    """Print the slowest architectures as ratios, and the seconds of `archcalc list`."""
    ratios: dict[str, float] = {}
    for name in archcalc.names():
        pairs = [(seconds("-c", "pass"), seconds("-m", "archcalc", "table", name)) for _ in range(runs)]
        bare, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios[name] = whole / bare
    slowest = sorted(ratios, key=lambda name: -ratios[name])[:SHOWN]
    print(f"{len(ratios)} architectures, median {statistics.median(ratios.values()):.1f} × a bare Python; the slowest:")
    for name in slowest:
        print(f"  {name} {ratios[name]:.1f} ×")
    print(f"archcalc list {statistics.median(seconds('-m', 'archcalc', 'list') for _ in range(runs)):.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
