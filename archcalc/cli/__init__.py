"""The command line: `main` runs a command and turns every error into a message and an exit code.

0: fine. 1: a check failed. 2: bad input, bad usage, or an internal error. 130: interrupted.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Sequence

# What start-up makes lives to the end: looking through it again and again would cost a twentieth of the time.
gc.set_threshold(100_000)

import click  # noqa: E402  # after the line above, which is about the imports

from archcalc._version import __version__  # noqa: E402  # the same
from archcalc.cli.base import HELP_OPTIONS, LazyGroup  # noqa: E402  # the same
from archcalc.cli.streams import open_streams  # noqa: E402  # the same
from archcalc.errors import ArchcalcError, printable  # noqa: E402  # the same

BAD_INPUT, INTERRUPTED = 2, 130


@click.group(
    cls=LazyGroup,
    context_settings=HELP_OPTIONS,
    commands_at={
        "table": "archcalc.cli.table:table",
        "graph": "archcalc.cli.graph:graph",
        "list": "archcalc.cli.listing:list_",
        "show": "archcalc.cli.show:show",
        "fold": "archcalc.cli.fold:fold",
        "kinds": "archcalc.cli.kinds:kinds_",
        "schema": "archcalc.cli.schema:schema",
        "reproduce": "archcalc.cli.reproduce:reproduce",
        "compare": "archcalc.cli.compare:compare",
        "chart": "archcalc.cli.chart:chart",
        "report": "archcalc.cli.report:report",
        "diff": "archcalc.cli.diff:diff",
        "check": "archcalc.cli.check:check",
        "rules": "archcalc.cli.rules:rules",
        "budget": "archcalc.cli.budget:budget",
        "verify": "archcalc.cli.verify:verify",
        "bench": "archcalc.cli.bench:bench",
        "activations": "archcalc.cli.activations:activations",
        "weight-decay": "archcalc.cli.weight_decay:weight_decay",
        "transfer": "archcalc.cli.transfer:transfer",
        "training": "archcalc.cli.training:training",
        "fits": "archcalc.cli.fits:fits",
        "roofline": "archcalc.cli.roofline:roofline",
        "devices": "archcalc.cli.devices:devices_",
    },
)
@click.version_option(__version__, "-V", "--version", prog_name="archcalc", message="%(prog)s %(version)s")
def group() -> None:
    """Report what a neural network costs: output sizes, memory, parameters and FLOPs of every layer, from a text spec.

    Begin with `archcalc table alexnet`; `archcalc list` names the shipped architectures.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; ARCHCALC_TRACEBACK=1 shows where an internal error happened."""
    if arguments is None:
        open_streams()
    try:
        code = group.main(list(sys.argv[1:] if arguments is None else arguments), "archcalc", standalone_mode=False)
    except ArchcalcError as error:
        _complain("\n".join(map(str, error.problems)))
        code = BAD_INPUT
    except click.ClickException as error:
        error.show()
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        code = INTERRUPTED
    except SystemExit as error:  # of shell completion
        code = error.code
    except Exception as error:
        if os.environ.get("ARCHCALC_TRACEBACK"):
            raise
        _complain(
            f"archcalc: internal error: {type(error).__name__}: {printable(str(error))}\n"
            "  This is a bug in archcalc: please report it with the spec and the command."
        )
        code = BAD_INPUT
    code = code if isinstance(code, int) else 0
    if arguments is None:
        _leave(code)
    sys.exit(code)


def _complain(message: str) -> None:
    """Tell the user; that nobody listens any more must not change the exit code."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def _leave(code: int) -> None:
    """End the process at once: finalising every module in order would take an eighth of the time."""
    with contextlib.suppress(OSError, ArchcalcError):  # what was to be printed was flushed when it was written
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
