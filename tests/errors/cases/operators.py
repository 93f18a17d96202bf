"""Expressions: Python's operators, shapes, indices, functions, trackers, noise."""

import numpy as np
from world import Handled, Refused

import jno
import jno.numpy as jnn
from jno_core.errors import JnoIndexError, JnoTypeError, JnoValueError


def _unpacked(w):
    first, second = w.u
    return first, second


def _array_on_the_left(w):
    product = np.ones((9, 1)) * w.x
    assert isinstance(product, jno.Placeholder)
    assert product.aval.shape == (9, 1)


def _rebound(w):
    """jNO did not look inside derivatives."""
    there = w.pde(*w.boundary[:2])
    assert there.aval.shape == (8, 1)
    assert w.crux(there.mse).eval(there).shape == (1, 8, 1)


def _parameter_vector(w):
    k = jnn.parameter((3,), name="k")
    assert k.aval.shape == (3,)
    assert (k * w.x).aval.shape == (9, 3)


def _modulus(w):
    assert float(w.crux().eval((3j + 0 * w.x).mse)[0]) == 9.0


CASES = {
    "`if u > 0:`": Refused(lambda w: 1 if w.u > 0 else 0, JnoTypeError, ("truth value",), ("jno.numpy.where",)),
    "`0 < x < 1`": Refused(lambda w: 0 < w.x < 1, JnoTypeError, ("truth value",), ("logical_and(a < x, x < b)",)),
    "`list(u)`, `for component in u:`": Refused(
        lambda w: list(w.u), JnoTypeError, ("cannot be iterated",), ("u[..., 0:1]",)
    ),
    "`a, b = u`": Refused(_unpacked, JnoTypeError, ("unpacked",), ("u[..., 1:2]",)),
    "`len(u)`": Refused(lambda w: len(w.u), JnoTypeError, ("no length",), ("expression.aval.shape",)),
    "`float(u.mse)`": Refused(lambda w: float(w.u.mse), JnoTypeError, ("not a number",), ("crux.eval",)),
    "`numpy.sin(x)`": Refused(lambda w: np.sin(w.x), JnoTypeError, ("numpy.sin",), ("use jno.numpy.sin",)),
    "`x * None`": Refused(lambda w: w.x * None, JnoTypeError, ("None",), ("an expression, a number or an array",)),
    "`x * 'a'`": Refused(lambda w: w.x * "a", JnoTypeError, ("'a'", "str"), ("an expression, a number or an array",)),
    "`net + x`, a network that was not called": Refused(
        lambda w: w.net + w.x, JnoTypeError, ("u is a network",), ("Call it", "net(x, y)")
    ),
    "values at points, `(N,)`, with a column, `(N, 1)`": Refused(
        lambda w: w.u[..., 0] + w.x, JnoValueError, ("(9,)", "(9, 1)", "(9, 9)"), ("u[..., 0:1]",)
    ),
    "values at two point sets": Refused(
        lambda w: w.x + w.boundary[0],
        JnoValueError,
        ("'interior' (9 points)", "'boundary' (8 points)"),
        ("bring them to one",),
    ),
    "an array of another length": Refused(
        lambda w: w.x + np.ones((5, 1)), JnoValueError, ("(9, 1)", "(5, 1)", "'+'"), ("reshape",)
    ),
    "`x[99]` of 9 points": Refused(lambda w: w.x[99], JnoIndexError, ("x has shape (9, 1)", "99"), ("size 9",)),
    "`u['x']`": Refused(lambda w: w.u["x"], JnoTypeError, ("got 'x'",), ("u[..., 0:1]",)),
    "matrices that do not fit": Refused(lambda w: w.u @ w.u, JnoValueError, ("(9, 1)", "'@'"), (".T",)),
    "`concat(..., axis=0)`": Refused(
        lambda w: jnn.concat([w.x, w.y], axis=0), JnoValueError, ("axis=0",), ("axis=-1",)
    ),
    "`u(2 * x)` of a derivative in `x`": Refused(
        lambda w: w.pde(2 * w.x, w.y),
        JnoValueError,
        ("2 * x", "differentiated in x"),
        ("Substitute before differentiating",),
    ),
    "a misspelt function": Refused(
        lambda w: jnn.sinn(w.x), AttributeError, ("jno.numpy", "'sinn'"), ("Did you mean 'sin'?",)
    ),
    "a function of two arguments with one": Refused(
        lambda w: jno.fn(lambda a, b: a, [w.x]), JnoTypeError, ("1 arguments", "'b'"), ("jno.fn(f, [u, v])",)
    ),
    "a function that asks `if` of values": Refused(
        lambda w: jno.fn(lambda a: a if a[0, 0] > 0 else -a, [w.x]),
        JnoTypeError,
        ("values of its arguments in Python",),
        ("jnp.where(condition, a, b)",),
    ),
    "`tracker(u, interval=0)`": Refused(
        lambda w: jnn.tracker(w.u, interval=0), JnoValueError, ("got 0",), ("integer >= 1",)
    ),
    "arithmetic with a tracker": Refused(
        lambda w: w.u.tracker() + 1, JnoTypeError, ("is a tracker",), ("whole expression",)
    ),
    "noise of a negative deviation": Refused(
        lambda w: jno.noise.gaussian(-1.0), JnoValueError, ("-1.0",), ("std >= 0",)
    ),
    "noise in an empty interval": Refused(
        lambda w: jno.noise.uniform(1, 0), JnoValueError, ("low=1", "high=0"), ("low <= high",)
    ),
    "noise of no component": Refused(lambda w: jno.noise.laplace(ndim=0), JnoValueError, ("got 0",), ("ndim >= 1",)),
    "noise that meets no point set": Refused(
        lambda w: w.crux().eval(jno.noise.gaussian()), JnoValueError, ("meets no point set",), ("as in u + noise",)
    ),
    "a NumPy array on the left of an operator": Handled(_array_on_the_left, "one expression, not an array of them"),
    "`u(x_b, y_b)` of an expression with derivatives": Handled(_rebound, "the derivatives at the other points"),
    "a parameter of three components": Handled(_parameter_vector, "keeps its shape `(3,)`"),
    "`mse` of complex numbers": Handled(_modulus, "the mean of the squared moduli"),
}
