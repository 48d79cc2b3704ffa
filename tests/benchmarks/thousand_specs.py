"""How long `archcalc check` takes for 1,000 specs, as a ratio to a bare interpreter and in seconds.

python tests/benchmarks/thousand_specs.py [RUNS]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.running import piped, python

SPECS = 1000
BLOCK = """
  - conv: {{filters: {filters}, kernel: 3, pad: 1}}
  - batchnorm
  - relu
  - maxpool: 2"""


def written(folder: Path) -> None:
    """Specs of 41 layers, no two alike, and a configuration with a budget for them."""
    for i in range(SPECS):
        layers = "".join(BLOCK.format(filters=8 + (i + k) % 64) for k in range(10))
        text = f"input: [3, 1024, 1024]\nlayers:{layers}\n  - flatten\n"
        (folder / f"net{i}.yaml").write_text(text, encoding="utf-8")
    (folder / "archcalc.toml").write_text('[budgets."*.yaml"]\nparams = "10M"\n', encoding="utf-8")


def seconds(*arguments: str, cwd: Path) -> float:
    begin = time.perf_counter()
    result = python("-c", "pass", cwd=cwd) if not arguments else piped(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return time.perf_counter() - begin


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder))
        where = Path(folder)
        bare = statistics.median(seconds(cwd=where) for _ in range(5))
        whole = statistics.median(seconds("check", cwd=where) for _ in range(runs))
    print(f"median of {runs} runs: {whole:.2f} s, {whole / bare:.0f} × a bare interpreter, for {SPECS:,} specs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
