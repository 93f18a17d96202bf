"""Files that earlier versions wrote keep their meaning; `golden/write.py` wrote them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import jno

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def write():
    spec = importlib.util.spec_from_file_location("golden_write", GOLDEN / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("number", [1])
def test_a_problem_evaluates_and_trains_on(write, number):
    expected = np.load(GOLDEN / f"expected_v{number}.npz")
    crux = jno.load(GOLDEN / f"problem_v{number}.jno")
    np.testing.assert_allclose(write.evaluated(crux), expected["evaluated"], rtol=1e-5, atol=1e-6)
    found = write.continued(crux)
    np.testing.assert_array_equal(found["losses"][:4], expected["losses"][:4])
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-4)
    np.testing.assert_allclose(found["slopes"], expected["slopes"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", [1])
def test_an_exported_function_evaluates(number):
    expected = np.load(GOLDEN / f"expected_v{number}.npz")["function"]
    at = np.linspace(0, 1, 5, dtype=np.float32)
    found = jno.load_exported(GOLDEN / f"function_v{number}.jno")(x=at, y=at)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
