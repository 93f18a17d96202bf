"""What the tests of automatic differentiation share: targets from SymPy expressions, and the scheme applied to them."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from jno_core import DerivativeRequest, DifferentiationModes, Field, Support
from jno_plugin_ad import AutomaticDifferentiation


@dataclasses.dataclass(frozen=True)
class SymbolicCase:
    """A target given by one expression for each component, on random points."""

    names: tuple[str, ...]
    expressions: tuple[sympy.Expr, ...]
    flat: bool
    points: np.ndarray

    def field(self):
        symbols = sympy.symbols(self.names)
        functions = [sympy.lambdify(symbols, e, modules="jax") for e in self.expressions]

        def at(columns, aligned):
            del aligned
            parts = [f(*(c[:, 0] for c in columns)) + 0 * columns[0][:, 0] for f in functions]
            return parts[0] if self.flat else jnp.stack(parts, axis=1)

        columns = self.columns()
        return Field(at=at, values=lambda: at(columns, None), aligned=None, name="u")

    def columns(self):
        return tuple(jnp.asarray(self.points[:, i : i + 1]) for i in range(len(self.names)))

    def support(self):
        space = len(self.names) - ("t" in self.names)
        return Support(self.columns(), self.names, space, "interior")

    def exact(self, request):
        """The derivatives in float64, by SymPy, in the documented shape."""
        symbols = sympy.symbols(self.names)

        def partial(axes):
            parts = []
            for e in self.expressions:
                for axis in axes:
                    e = sympy.diff(e, symbols[axis])
                f = sympy.lambdify(symbols, e, modules="numpy")
                parts.append(f(*self.points.T) + np.zeros(len(self.points)))
            return parts[0] if self.flat else np.stack(parts, axis=1)

        def entries(value):
            return value if self.flat or len(self.expressions) > 1 else value[:, 0]

        axes = request.axes
        if request.kind in ("value", "partial"):
            return partial(axes)
        if request.kind == "laplacian":
            return np.sum([partial((i, i)) for i in axes], axis=0)
        if request.kind == "gradient":
            return np.stack([entries(partial((i,))) for i in axes], axis=-1)
        rows = [np.stack([entries(partial((i, j))) for j in axes], axis=-1) for i in axes]
        return np.stack(rows, axis=-2)


@pytest.fixture
def symbolic():
    """`symbolic(names, *expressions, flat=False, n=9)`: a case on `n` points in the unit cube."""

    def make(names, *expressions, flat=False, n=9):
        points = np.random.default_rng(5).uniform(0.1, 0.9, (n, len(names)))
        return SymbolicCase(tuple(names), tuple(map(sympy.sympify, expressions)), flat, points)

    return make


@pytest.fixture
def apply():
    """`apply(variant, requests, field, support)`: the scheme of that variant, applied."""

    def run(variant, requests, field, support, modes=None):
        scheme = AutomaticDifferentiation.from_variant(variant, modes or DifferentiationModes())
        requests = tuple(requests)
        return scheme.apply(requests, field, support, {}, scheme.prepare(requests, support))

    return run


@pytest.fixture
def request_of():
    """The contract's request, under a name that pytest's own `request` does not shadow."""
    return DerivativeRequest
