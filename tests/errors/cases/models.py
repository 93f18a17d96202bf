"""Networks and parameters: wrapping, calling, optimizers, masks, constraints, precision, initial weights."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from world import Handled, Refused, Warned

import jno
from jno_core.errors import JnoFileNotFoundError, JnoNotImplementedError, JnoTypeError, JnoValueError, JnoWarning


class Scaled(eqx.Module):
    weight: jax.Array

    def __call__(self, x):
        return self.weight * x


class Activated(eqx.Module):
    """jNO could not evaluate a module that holds a function."""

    weight: jax.Array
    activation: object = jnp.tanh

    def __call__(self, x):
        return self.activation(self.weight * x)


def _one_point_module(w):
    linear = eqx.nn.Linear(2, 1, key=jax.random.key(0))
    value = w.crux().eval(jno.nn.wrap(linear)(w.x, w.y))
    points = np.stack([np.ravel(w.crux().eval(v)) for v in (w.x, w.y)], axis=1)
    np.testing.assert_allclose(value[0], points @ linear.weight.T + linear.bias, rtol=1e-5)


def _function_leaf(w):
    net = jno.nn.wrap(Activated(jnp.ones(1)))
    np.testing.assert_allclose(w.crux().eval(net(w.x)), np.tanh(w.crux().eval(w.x)), rtol=1e-5)


def _module_survives(w):
    """jNO donated the arrays of the module that it was given."""
    module = w.module()
    before = np.array(module.layers[0].weight)
    net = jno.nn.wrap(module)
    net.optimizer(optax.adam(1e-2))
    jno.core([net(w.x, w.y).mse]).solve(3)
    np.testing.assert_array_equal(module.layers[0].weight, before)
    assert np.any(np.asarray(net.module.layers[0].weight) != before)


def _array_for_a_parameter(w):
    w.k.initialize(np.array([2.5]))
    assert float(w.crux().eval(w.k)[0]) == 2.5


def _unseen_network(w):
    value = w.crux().eval(w.vector)
    assert value.shape == (1, 9, 2)


def _saved(w, module):
    path = str(w.folder / "weights.eqx")
    eqx.tree_serialise_leaves(path, module)
    return path


CASES = {
    "a class": Refused(lambda w: jno.nn.wrap(eqx.nn.MLP), JnoTypeError, ("class MLP",), ("Construct it first",)),
    "a number": Refused(lambda w: jno.nn.wrap(3), JnoTypeError, ("got 3",), ("Equinox or Flax module or a callable",)),
    "weights that are not numbers": Refused(
        lambda w: jno.nn.wrap(Scaled(np.array([np.nan], np.float32))),
        JnoValueError,
        (".weight", "NaN"),
        ("finite values",),
    ),
    "a search space with a network": Refused(
        lambda w: jno.nn.wrap(w.module(), space=3), JnoNotImplementedError, ("space=...",), ("jno 0.4",)
    ),
    "a network of two inputs called with one": Refused(
        lambda w: w.net(w.x), JnoTypeError, ("(x: (9, 1))", "(2,)"), ("one coordinate per input",)
    ),
    "a network called with coordinates of two point sets": Refused(
        lambda w: w.net(w.x, w.boundary[1]), JnoValueError, ("x: (9, 1)", "y: (8, 1)"), ("bring them to one",)
    ),
    "an optimizer by name": Refused(
        lambda w: w.net.optimizer("adam"), JnoTypeError, ("got 'adam'",), ("optax.adam(1e-3)",)
    ),
    "a rate as optimizer": Refused(
        lambda w: w.net.optimizer(1e-3), JnoTypeError, ("got 0.001",), ("optax.adam(1e-3)",)
    ),
    "a factory without a rate": Refused(
        lambda w: (w.net.optimizer(optax.sgd), jno.core([w.u.mse]).solve(1)),
        JnoValueError,
        ("bare factory sgd without a learning rate",),
        ("net.optimizer(sgd(1e-3))", "net.scale(1e-3)"),
    ),
    "no optimizer": Refused(
        lambda w: jno.core([w.pde.mse]).solve(1),
        JnoValueError,
        ("'u' has no optimizer",),
        ("net.optimizer(optax.adam(1e-3))", "net.freeze()"),
    ),
    "an optimizer for a part of a network": Refused(
        lambda w: (w.net.mask(w.mask()).optimizer(optax.adam(1e-3)), jno.core([w.u.mse]).solve(1)),
        JnoValueError,
        ("'u' cover only masked parameters",),
        ("net.mask(m).freeze()",),
    ),
    "everything frozen": Warned(
        lambda w: (w.net.freeze(), jno.core([w.u.mse]).solve(1)), JnoWarning, ("'u'", "frozen"), ("net.unfreeze()",)
    ),
    "a mask of numbers": Refused(lambda w: w.net.mask(w.mask(1)), JnoTypeError, ("got 1",), ("True or False",)),
    "a constraint that reduces": Refused(
        lambda w: w.net.constrain(jnp.sum), JnoValueError, ("sum", "(3, 2)", "()"), ("keep the shape",)
    ),
    "`dtype('float32')`": Refused(lambda w: w.net.dtype("float32"), JnoValueError, ("'float32'",), ("jnp.bfloat16",)),
    "`dtype(jnp.int32)`": Refused(
        lambda w: w.net.dtype(jnp.int32), JnoValueError, ("int32",), ("floating-point type",)
    ),
    "double precision while it is off": Refused(
        lambda w: w.net.dtype(jnp.float64),
        JnoValueError,
        ("double precision, which is off",),
        ('jax.config.update("jax_enable_x64", True)',),
    ),
    "weights from a missing file": Refused(
        lambda w: w.net.initialize("nowhere.eqx"), JnoFileNotFoundError, ("'nowhere.eqx'",), ("of an .eqx file",)
    ),
    "weights from a file of a wider network": Refused(
        lambda w: w.net.initialize(_saved(w, w.module(width=5))),
        JnoValueError,
        ("shape (5, 2)", "(3, 2)"),
        ("as it was when they were written",),
    ),
    "weights from a damaged file": Refused(
        lambda w: w.net.initialize(w.file("weights.eqx", "junk")),
        JnoValueError,
        ("does not hold weights of this network",),
        ("as it was when they were written",),
    ),
    "weights of a wider network": Refused(
        lambda w: w.net.initialize(w.module(width=5)), JnoValueError, (".layers[0].weight", "got (5, 2)"), ("(3, 2)",)
    ),
    "a parameter of length 0": Refused(lambda w: jno.np.parameter((0,)), JnoValueError, ("(0,)",), ("positive",)),
    "a module of one point, `eqx.nn.Linear`": Handled(_one_point_module, "mapped over the points"),
    "a module that holds a function": Handled(_function_leaf, "evaluated"),
    "the module given to `wrap`, after training": Handled(
        _module_survives, "as it was; the network has the new weights"
    ),
    "a bare array for a parameter": Handled(_array_for_a_parameter, "taken"),
    "`eval` of a network that is in no constraint": Handled(_unseen_network, "its current values"),
}
