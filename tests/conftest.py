"""Options and fixtures of all tests."""

import os

import pytest

import tests.layers.crafted_attention
import tests.layers.crafted_shapes
import tests.layers.crafted_tokens
import tests.layers.crafted_windows  # noqa: F401  # they register their cases

# The tests run side by side, one process a core, so that many threads in each would only wait for one another. With
# a single one PyTorch takes other kernels, which refuse and keep other things than those that users get.
os.environ.setdefault("OMP_NUM_THREADS", "2")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew, to be read in the diff")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
