"""Networks and parameters: wrapping, calling, optimizers, rates, masks, constraints, precision, initial weights."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jno
import jno.numpy as jnn
from jno_core.errors import JnoFileNotFoundError, JnoNotImplementedError, JnoTypeError, JnoValueError


class Scaled(eqx.Module):
    weight: jax.Array

    def __call__(self, x):
        return self.weight * x


def _saved(p, module):
    path = str(p.folder / "weights.eqx")
    eqx.tree_serialise_leaves(path, module)
    return path


BAD = {
    # Wrapping.
    "a class": (lambda p: jno.nn.wrap(eqx.nn.MLP), JnoTypeError, ["class MLP"], ["Construct it first"]),
    "a number": (lambda p: jno.nn.wrap(3), JnoTypeError, ["got 3"], ["Equinox or Flax module or a callable"]),
    "an array": (lambda p: jno.nn.wrap(np.ones(3)), JnoTypeError, ["array([1., 1., 1.])"], ["a callable"]),
    "an expression": (lambda p: jno.nn.wrap(p.u), JnoTypeError, ["u(x, y)"], ["Equinox or Flax module"]),
    "a network twice": (lambda p: jno.nn.wrap(p.net), JnoTypeError, ["got u"], ["Equinox or Flax module"]),
    "a name that is none": (lambda p: jno.nn.wrap(p.module(), name=3), JnoTypeError, ["got 3"], ["a string"]),
    "a search space": (
        lambda p: jno.nn.wrap(p.module(), space=3),
        JnoNotImplementedError,
        ["space=..."],
        ["jno 0.4"],
    ),
    "weights NaN": (
        lambda p: jno.nn.wrap(Scaled(jnp.array([jnp.nan]))),
        JnoValueError,
        [".weight", "NaN"],
        ["finite values"],
    ),
    "weight path": (
        lambda p: jno.nn.wrap(p.module(), weight_path="nowhere.eqx"),
        JnoFileNotFoundError,
        ["'nowhere.eqx'"],
        ["or of an .eqx file"],
    ),
    # Calling.
    "no argument": (lambda p: p.net(), JnoTypeError, ["u must be called"], ["net(x, y)"]),
    "too few arguments": (lambda p: p.net(p.x), JnoTypeError, ["(x: (9, 1))", "(2,)"], ["one coordinate per input"]),
    "too many arguments": (
        lambda p: p.net(p.x, p.y, p.x),
        JnoTypeError,
        ["y: (9, 1)", "(3,)"],
        ["one coordinate per input"],
    ),
    "a string argument": (lambda p: p.net("x", p.y), JnoTypeError, ["'x'"], ["an expression, a number or an array"]),
    "a pair": (lambda p: p.net((p.x, p.y)), JnoTypeError, ["(x, y)", "tuple"], ["Expected an expression"]),
    "a network as argument": (lambda p: p.net(p.net, p.y), JnoTypeError, ["u is a network"], ["Call it"]),
    "two point sets": (
        lambda p: p.net(p.x, p.y_b),
        JnoValueError,
        ["x: (9, 1)", "y: (8, 1)", "'boundary' (8 points)"],
        ["bring them to one"],
    ),
    "a network that returns text": (
        lambda p: jno.nn.wrap(lambda a: "s")(p.x),
        JnoTypeError,
        ["returned str"],
        ["no array"],
    ),
    "a network with an if": (
        lambda p: jno.nn.wrap(lambda a: a if a > 0 else -a)(p.x),
        JnoTypeError,
        ["values of its arguments in Python"],
        ["jnp.where(condition, a, b)"],
    ),
    # Optimizers and rates.
    "optimizer by name": (lambda p: p.net.optimizer("adam"), JnoTypeError, ["got 'adam'"], ["optax.adam(1e-3)"]),
    "optimizer None": (lambda p: p.net.optimizer(None), JnoTypeError, ["got None"], ["optax.adam(1e-3)"]),
    "rate as optimizer": (lambda p: p.net.optimizer(1e-3), JnoTypeError, ["got 0.001"], ["optax.adam(1e-3)"]),
    "negative rate": (lambda p: p.net.scale(-1.0), JnoValueError, ["got -1.0"], ["positive finite rate"]),
    "rate 0": (lambda p: p.net.scale(0), JnoValueError, ["got 0"], ["positive finite rate"]),
    "rate NaN": (lambda p: p.net.scale(jnp.nan), JnoValueError, ["got nan"], ["positive finite rate"]),
    "rate infinite": (lambda p: p.net.scale(np.float32(np.inf)), JnoValueError, ["inf"], ["positive finite rate"]),
    "rate string": (lambda p: p.net.scale("1e-3"), JnoTypeError, ["'1e-3'"], ["a number, rate(epoch)"]),
    "rate bool": (lambda p: p.net.scale(True), JnoTypeError, ["got True"], ["a number"]),
    "rate expression": (lambda p: p.net.scale(p.u), JnoTypeError, ["got u(x, y)"], ["rate(epoch, losses)"]),
    "rate of three arguments": (
        lambda p: p.net.scale(lambda a, b, c: 1.0),
        JnoTypeError,
        ["3 arguments"],
        ["(epoch) or (epoch, losses)"],
    ),
    "rate with an if": (
        lambda p: p.net.scale(lambda epoch: 1e-3 if epoch < 10 else 1e-4),
        JnoTypeError,
        ["schedule", "in Python"],
        ["jnp.where(condition, a, b)"],
    ),
    "rate that is an array": (
        lambda p: p.net.scale(lambda epoch: jnp.ones(2)),
        JnoValueError,
        ["shape (2,)"],
        ["one number"],
    ),
    # Masks.
    "mask True": (lambda p: p.net.mask(True), JnoValueError, ["single bool"], ["lambda _: False, net.module"]),
    "mask string": (lambda p: p.net.mask("layers"), JnoValueError, ["single str"], ["eqx.tree_at"]),
    "mask function": (lambda p: p.net.mask(eqx.is_array), JnoValueError, ["single function"], ["eqx.tree_at"]),
    "mask dictionary": (
        lambda p: p.net.mask({"a": True}),
        JnoValueError,
        [".layers[0].weight (module)", "['a'] (mask)"],
        ["eqx.tree_at"],
    ),
    "mask of another network": (
        lambda p: p.net.mask(jax.tree.map(lambda _: True, eqx.nn.MLP(2, 1, 3, 2, key=jax.random.key(0)))),
        JnoValueError,
        [".layers[2].weight (mask)"],
        ["eqx.tree_at"],
    ),
    "mask of nothing": (
        lambda p: p.net.mask(jax.tree.map(lambda _: False, p.net.module)),
        JnoValueError,
        ["selects no floating-point parameter"],
        ["True by eqx.tree_at"],
    ),
    "mask of numbers": (lambda p: p.net.mask(p.mask(value=1)), JnoTypeError, ["got 1"], ["True or False"]),
    "mask of arrays": (
        lambda p: p.net.mask(p.net.module),
        JnoTypeError,
        ["an array of shape (3, 2)"],
        ["lambda _: False, net.module"],
    ),
    # Constraints and precision.
    "constraint number": (lambda p: p.net.constrain(3), JnoTypeError, ["got 3"], ["jax.nn.softplus"]),
    "constraint of two arguments": (
        lambda p: p.net.constrain(jnp.add),
        JnoTypeError,
        ["constraint add"],
        ["does not work on its arguments"],
    ),
    "constraint that reduces": (
        lambda p: p.net.constrain(jnp.sum),
        JnoValueError,
        ["sum", "(3, 2)", "()"],
        ["keep the shape"],
    ),
    "constraint that returns text": (
        lambda p: p.net.mask(p.mask()).constrain(lambda a: "s"),
        JnoTypeError,
        ["got str"],
        ["return an array"],
    ),
    "dtype string": (lambda p: p.net.dtype("float32"), JnoValueError, ["'float32'"], ["jnp.bfloat16"]),
    "dtype integer": (lambda p: p.net.dtype(jnp.int32), JnoValueError, ["int32"], ["floating-point type"]),
    "dtype complex": (lambda p: p.net.dtype(jnp.complex64), JnoValueError, ["complex64"], ["floating-point type"]),
    "dtype number": (lambda p: p.net.dtype(3), JnoValueError, ["got 3"], ["jnp.bfloat16"]),
    "dtype None": (lambda p: p.net.dtype(None), JnoValueError, ["got None"], ["jnp.bfloat16"]),
    "dtype that is off": (
        lambda p: p.net.dtype(jnp.float64),
        JnoValueError,
        ["double precision, which is off"],
        ['jax.config.update("jax_enable_x64", True)'],
    ),
    # Initial weights.
    "missing file": (
        lambda p: p.net.initialize("nowhere/w.eqx"),
        JnoFileNotFoundError,
        ["'nowhere/w.eqx'"],
        ["or of an .eqx file"],
    ),
    "other kind of file": (
        lambda p: p.net.initialize(p.file("weights.pkl", "")),
        JnoValueError,
        ["weights.pkl"],
        ["is not that of a whole safetensors file"],
    ),
    "damaged file": (
        lambda p: p.net.initialize(p.file("weights.eqx", "junk")),
        JnoValueError,
        ["does not hold weights of this network"],
        ["as it was when they were written"],
    ),
    "file of a wider network": (
        lambda p: p.net.initialize(_saved(p, p.module(width=5))),
        JnoValueError,
        ["shape (5, 2)", "(3, 2)"],
        ["as it was when they were written"],
    ),
    "weights of a wider network": (
        lambda p: p.net.initialize(p.module(width=5)),
        JnoValueError,
        [".layers[0].weight", "got (5, 2)"],
        ["needs (3, 2) float32"],
    ),
    "weights in a dictionary": (
        lambda p: p.net.initialize({"w": 1}),
        JnoValueError,
        ["['w'] (weights)"],
        ["a PyTree like net.module"],
    ),
    "weights in one number": (lambda p: p.net.initialize(1.0), JnoValueError, ["single float"], ["an initializer"]),
    "weights None": (lambda p: p.net.initialize(None), JnoValueError, ["single NoneType"], ["an initializer"]),
    "initializer of one argument": (
        lambda p: p.net.initialize(lambda key: 1.0),
        JnoTypeError,
        ["too many positional arguments"],
        ["(key, shape, dtype)"],
    ),
    "initializer NaN": (
        lambda p: p.net.initialize(lambda key, shape, dtype: jnp.full(shape, jnp.nan, dtype)),
        JnoValueError,
        [".layers[0].weight", "NaN"],
        ["finite values"],
    ),
    "initializer of one shape": (
        lambda p: p.net.initialize(lambda key, shape, dtype: jnp.ones(3)),
        JnoValueError,
        ["(3,)", ".layers[0].weight"],
        ["that it is given, (3, 2)"],
    ),
    "initializer with a seed": (
        lambda p: p.net.initialize(jax.nn.initializers.normal(), key=3),
        JnoTypeError,
        ["initialize(key=...)", "got 3"],
        ["jax.random.key(0)"],
    ),
    # Parameters.
    "parameter 0": (lambda p: jnn.parameter(0), JnoValueError, ["got 0"], ["positive integers"]),
    "parameter negative": (lambda p: jnn.parameter((2, -1)), JnoValueError, ["(2, -1)"], ["positive integers"]),
    "parameter float": (lambda p: jnn.parameter(1.5), JnoTypeError, ["got 1.5"], ["as in (1,)"]),
    "parameter string": (lambda p: jnn.parameter("a"), JnoTypeError, ["got 'a'"], ["as in (1,)"]),
    "parameter None": (lambda p: jnn.parameter(None), JnoTypeError, ["got None"], ["as in (1,)"]),
    "parameter name": (lambda p: jnn.parameter((1,), name=3), JnoTypeError, ["got 3"], ["a string"]),
    "parameter key": (lambda p: jnn.parameter((1,), key=3), JnoTypeError, ["got 3"], ["jax.random.key(0)"]),
    "parameter of another shape": (
        lambda p: jnn.parameter((1,)).initialize(np.ones(3)),
        JnoValueError,
        ["(1,)", "(3,)"],
        ["one number or that shape"],
    ),
    "parameter NaN": (lambda p: jnn.parameter((1,)).initialize(np.nan), JnoValueError, ["NaN"], ["finite values"]),
    "parameter in a list": (
        lambda p: jnn.parameter((1,)).initialize([1.0]),
        JnoValueError,
        ["[0] (weights)"],
        ["a parameter takes a number or an array"],
    ),
}

LEGAL = {
    "a plain function": lambda p: jno.nn.wrap(lambda x, y: x * y)(p.x, p.y),
    "a layer of one point": lambda p: jno.nn.wrap(eqx.nn.Linear(2, 1, key=jax.random.key(0)))(p.x, p.y),
    "a number among the arguments": lambda p: p.net(p.x, 0.5),
    "a vector argument": lambda p: p.net(jnn.concat([p.x, p.y])),
    "optimizer without a rate yet": lambda p: p.net.optimizer(optax.adam).scale(1e-3),
    "rate from NumPy": lambda p: p.net.scale(np.float32(0.1)).scale(2),
    "rate from optax": lambda p: p.net.scale(optax.cosine_decay_schedule(1.0, 10)),
    "rate of epoch and losses": lambda p: p.net.scale(lambda epoch, losses: 1.0 / (1 + losses.sum())),
    "rate with a default": lambda p: p.net.scale(lambda epoch, base=1e-3: base),
    "rate removed": lambda p: p.net.scale(0.5).scale(None),
    "mask of NumPy's truth": lambda p: p.net.mask(p.mask(value=np.True_)),
    "mask None": lambda p: p.u.grad(p.net.mask(None)),
    "constraint of a part": lambda p: p.net.mask(p.mask()).constrain(jnp.abs),
    "half precision": lambda p: p.net.dtype(jnp.bfloat16),
    "weights of a twin": lambda p: p.net.initialize(jax.tree.map(lambda x: x, p.module())),
    "saved weights": lambda p: p.net.initialize(_saved(p, p.module())),
    "raw key": lambda p: p.net.initialize(jax.nn.initializers.normal(), key=jax.random.PRNGKey(0)),
    "parameter from a number": lambda p: jnn.parameter((1,)).initialize(2),
    "parameter of an integer shape": lambda p: jnn.parameter(3),
    "parameter without a name": lambda p: jnn.parameter((1,), key=jax.random.key(1)) * p.x,
}
