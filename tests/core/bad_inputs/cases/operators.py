"""Expressions: Python's operators, indexing, calculus, functions, trackers, noise."""

import math

import jax.numpy as jnp
import numpy as np

import jno
import jno.numpy as jnn
from jno_core.errors import (
    JnoIndexError,
    JnoTypeError,
    JnoValueError,
    PluginCapabilityError,
    PluginNotFoundError,
)

AD = "automatic_differentiation"


def _set_row(p):
    p.v[0] = 1.0


def _unpack(p):
    first, second = p.v
    return first, second


def _added(p):
    total = p.u
    total += 1
    return total


BAD = {
    # Python asks for a value that is not there yet.
    "bool": (lambda p: bool(p.u > 0), JnoTypeError, ["truth value", "graph is built"], ["jno.numpy.where"]),
    "if": (lambda p: 1 if p.u > 0 else 2, JnoTypeError, ["truth value"], ["jno.numpy.where(condition, a, b)"]),
    "chained comparison": (lambda p: 0 < p.x < 1, JnoTypeError, ["truth value"], ["logical_and(a < x, x < b)"]),
    "and": (lambda p: (p.x > 0) and (p.x < 1), JnoTypeError, ["truth value"], ["logical_and"]),
    "iteration": (lambda p: list(p.u), JnoTypeError, ["iterated"], ["u[..., 0:1]"]),
    "unpacking": (_unpack, JnoTypeError, ["unpacked"], ["u[..., 1:2]"]),
    "len": (lambda p: len(p.u), JnoTypeError, ["no length"], ["expression.aval.shape"]),
    "float": (lambda p: float(p.u.mse), JnoTypeError, ["not a number"], ["crux.eval"]),
    "int": (lambda p: int(p.u.mse), JnoTypeError, ["not a number"], ["crux.eval"]),
    "complex": (lambda p: complex(p.u.mse), JnoTypeError, ["not a number"], ["crux.eval"]),
    "math.sin": (lambda p: math.sin(p.x), JnoTypeError, ["not a number"], ["crux.eval"]),
    "numpy ufunc": (lambda p: np.sin(p.x), JnoTypeError, ["numpy.sin"], ["use jno.numpy.sin"]),
    "numpy reduction": (lambda p: np.sum(p.x), JnoTypeError, ["numpy.sum"], ["use jno.numpy.sum"]),
    "numpy.concatenate": (
        lambda p: np.concatenate([p.x, p.y]),
        JnoTypeError,
        ["numpy.concatenate"],
        ["use jno.numpy."],
    ),
    "numpy.linalg": (lambda p: np.linalg.norm(p.x), JnoTypeError, ["numpy.linalg.norm"], ["use jno.numpy.linalg.norm"]),
    "numpy.array": (lambda p: np.array(p.x), JnoTypeError, ["no values", "array"], ["crux.eval(expression)"]),
    "item assignment": (_set_row, JnoTypeError, ["does not change"], ["jno.numpy.where", "jno.numpy.concat"]),
    # What is no operand.
    "None": (lambda p: p.x * None, JnoTypeError, ["None", "NoneType"], ["an expression, a number or an array"]),
    "string": (lambda p: p.x * "a", JnoTypeError, ["'a'", "str"], ["an expression, a number or an array"]),
    "reflected string": (lambda p: "a" + p.x, JnoTypeError, ["'a'", "str"], ["an expression, a number"]),
    "string as exponent": (lambda p: p.x ** "2", JnoTypeError, ["'2'", "str"], ["an expression, a number or an array"]),
    "list": (lambda p: p.x - [1, 2], JnoTypeError, ["[1, 2]", "list"], ["an array"]),
    "array of strings": (lambda p: p.x * np.array(["a"]), JnoTypeError, ["array(['a']"], ["a number or an array"]),
    "network in arithmetic": (lambda p: p.net + p.x, JnoTypeError, ["u is a network"], ["Call it", "net(x, y)"]),
    "network on the right": (lambda p: p.x * p.net, JnoTypeError, ["u is a network"], ["net(x, y)"]),
    # Shapes.
    "wrong length": (lambda p: p.x + np.ones((5, 1)), JnoValueError, ["(9, 1)", "(5, 1)", "'+'"], ["reshape"]),
    "two point sets": (
        lambda p: p.x + p.x_b,
        JnoValueError,
        ["(9, 1)", "(8, 1)", "'interior' (9 points)", "'boundary' (8 points)"],
        ["bring them to one", "u(x_b, y_b)"],
    ),
    "vector with column": (
        lambda p: p.v[..., 0] + p.x,
        JnoValueError,
        ["v(x, y)[..., 0]", "(9,)", "(9, 9)"],
        ["u[..., 0:1] instead of u[..., 0]", "(9, 1)"],
    ),
    "matmul": (lambda p: p.v @ p.v, JnoValueError, ["(9, 2)", "'@'"], ["last axis", ".T"]),
    "matmul with a scalar": (lambda p: p.v @ 2.0, JnoValueError, ["'@'", "()"], ["last axis"]),
    "reshape": (lambda p: p.v.reshape(7, 3), JnoTypeError, ["reshape(v(x, y)", "size 18", "size 21"], ["(9, 2)"]),
    "row out of range": (lambda p: p.x[99], JnoIndexError, ["x has shape (9, 1)", "99"], ["size 9"]),
    "component out of range": (lambda p: p.v[..., 2], JnoIndexError, ["(9, 2)", "index 2"], ["size 2"]),
    "too many indices": (lambda p: p.v[0, 0, 0], JnoIndexError, ["(9, 2)", "3 were indexed"], ["2-dimensional"]),
    "index string": (lambda p: p.v["x"], JnoTypeError, ["got 'x'"], ["u[..., 0:1]"]),
    "index float": (lambda p: p.v[0.5], JnoTypeError, ["got 0.5"], ["u[..., 0:1]"]),
    "index bool": (lambda p: p.v[True], JnoTypeError, ["got True"], ["jno.numpy.where(condition, a, b)"]),
    "index condition": (lambda p: p.v[p.x > 0], JnoTypeError, ["got x > 0"], ["jno.numpy.where(condition, a, b)"]),
    "index list": (lambda p: p.v[[0, 1]], JnoTypeError, ["got [0, 1]"], ["integers, slices"]),
    "name": (lambda p: p.u.name(3), JnoTypeError, ["got 3"], ["string"]),
    # Derivatives.
    "derivative in a string": (lambda p: p.u.d("x"), JnoTypeError, ["got 'x'"], ["domain.variable(...)"]),
    "derivative in an expression": (lambda p: p.u.d(2 * p.x), JnoTypeError, ["got 2 * x"], ["domain.variable(...)"]),
    "derivative of a number": (lambda p: jnn.grad(3.0, p.x), JnoTypeError, ["got 3.0"], ["Only an expression"]),
    "derivative on another point set": (
        lambda p: p.u.d(p.x_b),
        JnoValueError,
        ["u(x, y) does not depend on x", "'boundary'", "'interior'"],
        ["differentiate in the variables that u was built from"],
    ),
    "derivative in a steady time": (
        lambda p: p.u.d(p.t),
        JnoValueError,
        ["in time", "steady"],
        ["time=(0.0, 1.0, 11)"],
    ),
    "mixed point sets": (
        lambda p: p.u.laplacian(p.x, p.y_b),
        JnoValueError,
        ["'interior'", "'boundary'"],
        ["from one domain.variable(...) call"],
    ),
    "coordinate twice": (lambda p: p.u.laplacian(p.x, p.x), JnoValueError, ["coordinate twice"], ["['x', 'x']"]),
    "no coordinate": (lambda p: jnn.grad(p.u, []), JnoValueError, ["at least one coordinate"], ["u.grad(x, y)"]),
    "derivative of a loss": (lambda p: p.u.mse.d(p.x), JnoValueError, ["mse(u(x, y))", "()"], ["u.d(x).mse"]),
    "normal component": (
        lambda p: p.net(p.x_b, p.y_b).d(p.normals[0]),
        JnoValueError,
        ["whole normal", "n_x"],
        ["domain.variable(tag, normals=True)"],
    ),
    "misspelt scheme": (
        lambda p: p.u.d(p.x, scheme="automatic_diferentiation"),
        PluginNotFoundError,
        ["'automatic_diferentiation'"],
        ["Did you mean 'automatic_differentiation'?"],
    ),
    "misspelt variant": (
        lambda p: p.u.d(p.x, scheme=f"{AD}:forwrad"),
        PluginCapabilityError,
        ["'forwrad'"],
        ["Did you mean 'forward'?", "'fwd-over-rev'"],
    ),
    "scheme of a missing package": (
        lambda p: p.u.d(p.x, scheme="spectral"),
        PluginNotFoundError,
        ["'spectral'", "not installed"],
        ["pip install jno-plugin-spectral"],
    ),
    "empty variant": (lambda p: p.u.d(p.x, scheme=f"{AD}:"), JnoValueError, [f"'{AD}:'"], ["'family:variant'"]),
    "scheme number": (lambda p: p.u.d(p.x, scheme=3), JnoTypeError, ["got 3"], ["'family[:variant]'"]),
    "second coordinate as scheme": (lambda p: p.u.d(p.x, p.y), JnoTypeError, ["scheme", "got y"], ["must be a string"]),
    "gradient in another network": (
        lambda p: p.u.grad(p.other),
        JnoValueError,
        ["u(x, y) does not contain v"],
        ["a network that it is built from"],
    ),
    "gradient in a name": (lambda p: p.u.grad("net"), JnoTypeError, ["got 'net'"], ["domain.variable(...)"]),
    "gradient in a frozen network": (
        lambda p: p.u.grad(p.net.freeze()),
        JnoValueError,
        ["no trainable parameter"],
        ["net.mask(None)"],
    ),
    "row of a Jacobian": (lambda p: p.u.grad(p.net)[3], JnoIndexError, ["got [3]", "instance"], ["J[3:4]"]),
    "divergence lengths": (
        lambda p: jnn.divergence([p.u], [p.x, p.y]),
        JnoValueError,
        ["1 fields", "2 variables"],
        ["divergence([u, v], [x, y])"],
    ),
    "divergence of a vector": (
        lambda p: jnn.divergence(p.v, [p.x, p.y]),
        JnoTypeError,
        ["v(x, y)"],
        ["w[..., 0:1]"],
    ),
    # Functions.
    "concat axis": (lambda p: jnn.concat([p.x, p.y], axis=0), JnoValueError, ["axis=0"], ["axis=-1"]),
    "concat nothing": (lambda p: jnn.concat([]), JnoValueError, ["concat"], ["at least one"]),
    "concat one expression": (lambda p: jnn.concat(p.v), JnoTypeError, ["v(x, y) alone"], ["concat([u, v])"]),
    "concat point sets": (lambda p: jnn.concat([p.x, p.x_b]), JnoValueError, ["'boundary' (8 points)"], ["bring them"]),
    "concat string": (lambda p: jnn.concat([p.x, "y"]), JnoTypeError, ["'y'"], ["a number or an array"]),
    "wrong axis": (lambda p: jnn.sum(p.x, axis=2), JnoValueError, ["sum(x)", "axis 2"], ["dimension 2", "(9, 1)"]),
    "unknown option": (lambda p: jnn.sin(p.x, axs=1), JnoTypeError, ["'axs'", "sin"], ["unexpected keyword"]),
    "result of unknown shape": (
        lambda p: jnn.nonzero(p.x),
        JnoTypeError,
        ["nonzero(x)", "shape depends"],
        ["jnp.where"],
    ),
    "misspelt function": (lambda p: jnn.sinn(p.x), AttributeError, ["jno.numpy", "'sinn'"], ["Did you mean 'sin'?"]),
    "misspelt loss": (lambda p: jno.fn.hubber(p.u, 0), AttributeError, ["jno.fn", "'hubber'"], ["'huber'"]),
    "network in a function": (lambda p: jnn.sin(p.net), JnoTypeError, ["u is a network"], ["net(x, y)"]),
    "fn of no callable": (lambda p: jno.fn(3, [p.x]), JnoTypeError, ["got 3"], ["needs a callable"]),
    "fn arity": (lambda p: jno.fn(lambda a, b: a, [p.x]), JnoTypeError, ["1 arguments", "'b'"], ["jno.fn(f, [u, v])"]),
    "fn without a list": (lambda p: jno.fn(jnp.sin, 3), JnoTypeError, ["got 3"], ["jno.fn(f, [u, v])"]),
    "fn of a string": (lambda p: jno.fn(jnp.sin, ["x"]), JnoTypeError, ["sin('x')", "str"], ["an array is needed"]),
    "fn that returns text": (lambda p: jno.fn(lambda a: "s", [p.x]), JnoTypeError, ["got str"], ["return an array"]),
    "fn that returns two": (lambda p: jno.fn(lambda a: (a, a), [p.x]), JnoTypeError, ["got tuple"], ["one array"]),
    "fn of NumPy": (lambda p: jno.fn(np.sin, [p.x]), JnoTypeError, ["sin(x)", "NumPy"], ["Use jax.numpy"]),
    "fn with an if": (
        lambda p: jno.fn(lambda a: a if a[0, 0] > 0 else -a, [p.x]),
        JnoTypeError,
        ["values of its arguments in Python"],
        ["jnp.where(condition, a, b)"],
    ),
    "loss of two shapes": (lambda p: jno.fn.mse(p.u, p.v[..., 0]), JnoValueError, ["(9, 1)", "(9,)"], ["u[..., 0:1]"]),
    "loss option": (lambda p: jno.fn.huber(p.u, 0, delta=-1), JnoValueError, ["huber(delta=...)", "-1"], ["than 0"]),
    "equation in a steady time": (lambda p: jno.fn.heat(p.u, p.t, p.x), JnoValueError, ["steady"], ["time=(0.0"]),
    "equation without forcing": (
        lambda p: jno.fn.poisson(p.u, p.x, p.y),
        JnoValueError,
        ["variable x as the forcing"],
        ["poisson(u, forcing, x, y)", "Pass 0"],
    ),
    # Rebinding.
    "too many points": (lambda p: p.u(p.x_b, p.y_b, p.x), JnoTypeError, ["got 3"], ["2 variables (x, y)"]),
    "string as points": (lambda p: p.u("x"), JnoTypeError, ["'x'"], ["an expression, a number or an array"]),
    "expression for a variable of differentiation": (
        lambda p: p.pde(2 * p.x_b, p.y_b),
        JnoValueError,
        ["2 * x", "differentiated in x"],
        ["Substitute before differentiating"],
    ),
    "half of the points": (
        lambda p: p.u(p.x_b),
        JnoValueError,
        ["different numbers of points", "'boundary' (8 points)"],
        ["bring them to one"],
    ),
    # Trackers and noise.
    "interval 0": (lambda p: p.u.tracker(0), JnoValueError, ["interval", "got 0"], ["integer >= 1"]),
    "interval 1.5": (lambda p: p.u.tracker(1.5), JnoValueError, ["interval", "got 1.5"], ["integer >= 1"]),
    "interval of the function": (lambda p: jnn.tracker(p.u, interval=0), JnoValueError, ["got 0"], ["integer >= 1"]),
    "reduce": (lambda p: p.u.tracker(10, "mean"), JnoTypeError, ["reduce", "'mean'"], ["np.linalg.norm"]),
    "reduce of two arguments": (lambda p: p.u.tracker(1, np.add), JnoTypeError, ["reduce", "add"], ["np.linalg.norm"]),
    "tracker of a number": (lambda p: jnn.tracker(3.0), JnoTypeError, ["got 3.0"], ["such as u.mean"]),
    "tracker of a tracker": (
        lambda p: p.u.tracker().tracker(),
        JnoTypeError,
        ["is a tracker"],
        ["residual.mse.tracker"],
    ),
    "loss of a tracker": (lambda p: p.u.tracker(10).mse, JnoTypeError, ["is a tracker"], ["residual.mse.tracker(10)"]),
    "arithmetic with a tracker": (lambda p: p.u.tracker() + 1, JnoTypeError, ["is a tracker"], ["whole expression"]),
    "negative noise": (lambda p: jno.noise.gaussian(-1.0), JnoValueError, ["Gaussian", "-1.0"], ["std >= 0"]),
    "noise NaN": (lambda p: jno.noise.laplace(math.nan), JnoValueError, ["Laplace", "nan"], ["finite std >= 0"]),
    "noise interval": (lambda p: jno.noise.uniform(1, 0), JnoValueError, ["low=1", "high=0"], ["low <= high"]),
    "noise string": (lambda p: jno.noise.gaussian("a"), JnoTypeError, ["'a'"], ["takes numbers"]),
    "noise of an expression": (
        lambda p: jno.noise.gaussian(p.x),
        JnoTypeError,
        ["got x"],
        ["k * jno.noise.gaussian()"],
    ),
    "noise without components": (lambda p: jno.noise.gaussian(ndim=0), JnoValueError, ["got 0"], ["ndim >= 1"]),
}

LEGAL = {
    "identity as key": lambda p: {p.u: 1}[p.u],
    "membership by identity": lambda p: p.u in [p.v, p.u],
    "array on the left": lambda p: np.ones((9, 1)) * p.x + np.float32(2) * p.x,
    "absolute value": lambda p: abs(p.u) // 2 % 3,
    "infinite literal": lambda p: jnn.minimum(p.u, jnn.inf),
    "in-place operator": _added,
    "periodic sides of one size": lambda p: p.u(*p.left[:2]) - p.u(*p.right[:2]),
    "second-order suffix twice": lambda p: p.u.d2(p.x, scheme=f"{AD}:forward"),
    "spaces around a scheme": lambda p: p.u.d(p.x, scheme=f" {AD} : reverse "),
    "negative index": lambda p: p.v[..., -1:],
    "new axis": lambda p: p.v[None, ..., 0],
    "row of a Jacobian by 0": lambda p: p.u.grad(p.net)[0],
    "arrays alone": lambda p: jnn.concat([np.ones(3), np.ones(3)], axis=0),
    "Python number from fn": lambda p: jno.fn(lambda a: 3, [p.x]),
    "fn with a default": lambda p: jno.fn(lambda a, b=1: a * b, [p.x]),
    "interval of NumPy's reduce": lambda p: p.u.tracker(10, np.linalg.norm),
    "noise without spread": lambda p: p.u + jno.noise.uniform(0, 0),
    "noise strength from JAX": lambda p: p.u + jno.noise.gaussian(jnp.sqrt(0.5)),
    "all points rebound": lambda p: p.pde(p.x_b, p.y_b),
}
