"""The examples: each is run in a shortened form and must come close to its exact solution."""

import contextlib
import io
import math
import re
import runpy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples"


class Example(NamedTuple):
    """A script, the arguments of its `main` in a shortened form, and what the error is after it and without training.

    `trained` bounds the first from above and `untrained` the second from below.
    """

    script: str
    arguments: dict[str, Any]
    trained: float
    untrained: float


EXAMPLES = [
    Example("poisson_1d.py", {"epochs": 1500}, 3e-3, 0.1),
    Example("poisson_2d_plate.py", {"epochs": 1000}, 2e-2, 0.1),
    Example("poisson_hard_boundary.py", {"epochs": 4000}, 1e-3, 0.01),
    Example("burgers.py", {"epochs": 2000}, 4e-2, 0.1),
    Example("heat_finite_differences.py", {"kind": "differences", "epochs": 3000}, 1e-2, 0.1),
    Example("heat_finite_differences.py", {"kind": "mixed", "epochs": 3000}, 1e-2, 0.1),
]


def loaded(script: str) -> dict[str, Any]:
    """What the script defines; its main part does not run, and nothing is printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        names = runpy.run_path(str(FOLDER / script))
    assert out.getvalue() == ""
    return names


MARKED = [pytest.param(e, marks=[pytest.mark.slow] * (e.arguments["epochs"] > 3500)) for e in EXAMPLES]


@pytest.mark.parametrize("example", MARKED, ids=lambda e: f"{e.script}{e.arguments.get('kind', '')}")
def test_an_example_comes_close_to_its_exact_solution(example, capsys):
    path = list(sys.path)
    main = loaded(example.script)["main"]
    error = main(**example.arguments)
    assert math.isfinite(error)
    assert error < example.trained
    printed = [float(number) for number in re.findall(r"\d\.\d+e-\d+", capsys.readouterr().out)]
    assert np.isclose(printed, error, rtol=0.1).any()
    assert sys.path == path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.script}{e.arguments.get('kind', '')}")
def test_an_example_reports_the_error_of_a_network_that_is_not_trained(example):
    error = loaded(example.script)["main"](**{**example.arguments, "epochs": 1})
    assert error > example.untrained


def test_every_example_is_tested_and_in_the_index():
    scripts = sorted(p.name for p in FOLDER.glob("*.py"))
    tests = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_examples*.py"))
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(scripts) >= len(EXAMPLES)
    assert [s for s in scripts if s.removesuffix(".py") not in tests] == []
    assert [s for s in scripts if f"]({s})" not in index] == []


def test_the_reference_of_burgers_satisfies_the_equation_and_its_conditions():
    names = loaded("burgers.py")
    reference, ν = names["cole_hopf"], names["ν"]
    # Outside of the layer, where central differences of step h are accurate to about h².
    x, t = (g.ravel() for g in np.meshgrid(np.linspace(-0.9, 0.9, 10), np.linspace(0.1, 0.9, 9)))
    h = 1e-4
    at, left, right = reference(x, t), reference(x - h, t), reference(x + h, t)
    rate = (reference(x, t + h) - reference(x, t - h)) / (2 * h)
    residual = rate + at * (right - left) / (2 * h) - ν * (right - 2 * at + left) / h**2
    np.testing.assert_allclose(residual, 0, atol=1e-4)
    ends, middle = np.array([-1.0, 0.0, 1.0]), np.full(3, 0.5)
    np.testing.assert_allclose(reference(ends, middle), 0, atol=1e-12)
    near = np.linspace(-1, 1, 21)
    np.testing.assert_allclose(reference(near, np.full(21, 1e-6)), -np.sin(np.pi * near), atol=1e-5)
    # The steepest slope and its time, as tabulated by Basdevant et al. for their spectral solution: 152.005 at πt = 1.6037.
    time = np.linspace(1.5, 1.7, 401) / np.pi
    slope = reference(np.full(401, -1e-5), time) / 1e-5
    np.testing.assert_allclose(slope.max(), 152.005, rtol=1e-4)
    np.testing.assert_allclose(np.pi * time[slope.argmax()], 1.6037, atol=1e-3)
