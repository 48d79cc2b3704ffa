"""The guide's promise: a kind is one class in one place."""

import re
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT, environment

USES = """
import doctest
from archcalc import analyze
from archcalc.spec.architecture import read
from archcalc.spec.description import describe_kind
from archcalc.api import spec_schema
from archcalc.spec.source import Document

spec = read(Document("net.yaml", "input: [3, 4, 4]\\nlayers:\\n  - sine\\n  - sine: {repeat: 2}\\n"))
report = analyze(spec)
assert [row.kind for row in report.layers] == ["sine"] * 3
assert [row.name for row in report.layers] == ["sine", "sine_2", "sine_3"]
assert "sine" in spec_schema()["$defs"]["entry"]["anyOf"][0]["enum"]
assert describe_kind("sine")["torch"] == "torch.sin"
doctest.run_docstring_examples(Sine, {"Sine": Sine})
"""


def test_the_class_of_the_guide_is_all_that_a_new_kind_takes(tmp_path: Path) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL)
    assert example is not None
    script = tmp_path / "new_kind.py"
    script.write_text(
        f"from archcalc.layers.activation import *\nfrom archcalc.layers.core.base import *\n{example[1]}\n{USES}"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment(), cwd=ROOT)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
