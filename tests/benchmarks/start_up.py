"""The processor time that the command line takes from cold, as ratios to a bare interpreter, side by side in one run.

python tests/benchmarks/start_up.py [RUNS]
"""

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.running import ROOT, environment, on_terminal

SCRIPT = Path(sys.executable).with_name("archcalc")
COMMANDS = {
    "archcalc --version": ("--version",),
    "archcalc table vgg16": ("table", "vgg16"),
    "archcalc table resnet50": ("table", "resnet50"),
    "archcalc table alexnet --json": ("table", "alexnet", "--json"),
    "archcalc compare alexnet vgg16": ("compare", "alexnet", "vgg16"),
    "archcalc list": ("list",),
    "archcalc reproduce": ("reproduce",),
}


def run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)


def seconds(action: Callable[[], object]) -> float:
    """The processor time of the processes that an action starts: other work on the machine changes it little."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    begin = used()
    action()
    return used() - begin


def main(runs: int) -> None:
    actions: dict[str, Callable[[], object]] = {"python -c pass": lambda: run([sys.executable, "-c", "pass"])}
    for name, arguments in COMMANDS.items():
        actions[name] = lambda arguments=arguments: run([str(SCRIPT), *arguments])  # type: ignore[misc]
    actions["archcalc table vgg16, on a terminal"] = lambda: on_terminal("table", "vgg16", columns=100)
    for action in actions.values():  # warms the caches of the disk and of byte code
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(runs):
        for name, action in actions.items():
            times[name].append(seconds(action))
    bare = statistics.median(times["python -c pass"])
    print(f"median of {runs} runs, in turn; ratio to a bare interpreter")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{median * 1000:7.1f} ms  {median / bare:5.2f} ×  {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
