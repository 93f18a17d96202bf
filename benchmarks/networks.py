"""The networks of the tables: as users of jno write them, and by hand.

A module is applied to one point or to all, as its library has it; a function by hand to all points `(n, d)`, or to a
`benchmarks.listed.Coordinates`, and then it gives the derivatives too.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import foundax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from benchmarks.listed import tanh, waves

Layers: TypeAlias = Sequence[tuple[Float[Array, "k m"], Float[Array, " m"]]]
Linears: TypeAlias = list[eqx.nn.Linear]

FREQUENCIES = 32
SENSORS = 100
BASIS = 64


class Network(NamedTuple):
    """A module, and the same by hand: its weights and a function of weights and points. `fixed` picks the module's arrays
    that do not train."""

    module: Any
    weights: Any
    by_hand: Callable[[Any, Any], Any]
    fixed: Callable[[Any], Sequence[Array]] = lambda module: ()


class Residual(eqx.Module):
    """Each hidden layer adds to the one before."""

    layers: Linears

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " c"]:
        first, *hidden, last = self.layers
        x = jnp.tanh(first(x))
        for layer in hidden:
            x = x + jnp.tanh(layer(x))
        return last(x)


class Modified(eqx.Module):
    """The modified multilayer perceptron: each layer chooses between two encodings of the point.

    S. Wang, Y. Teng, P. Perdikaris, Understanding and mitigating gradient flow pathologies in physics-informed neural
    networks, SIAM J. Sci. Comput. 43 (2021).
    """

    one: eqx.nn.Linear
    other: eqx.nn.Linear
    layers: Linears

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " c"]:
        u, v = jnp.tanh(self.one(x)), jnp.tanh(self.other(x))
        *hidden, last = self.layers
        for layer in hidden:
            z = jnp.tanh(layer(x))
            x = (1 - z) * u + z * v
        return last(x)


class Fourier(eqx.Module):
    """Random Fourier features before a multilayer perceptron; the frequencies are not to be trained."""

    frequencies: Float[Array, "k d"]
    mlp: eqx.nn.MLP

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " c"]:
        phases = 2 * jnp.pi * (self.frequencies @ x)
        return self.mlp(jnp.concatenate([jnp.sin(phases), jnp.cos(phases)]))


class DeepONet(eqx.Module):
    """A trunk of the point, weighed by a branch of what sensors say."""

    sensors: tuple[float, ...] = eqx.field(static=True)
    branch: eqx.nn.MLP
    trunk: eqx.nn.MLP

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " c"]:
        return jnp.dot(self.branch(jnp.asarray(self.sensors)), jnp.tanh(self.trunk(x)))[None]


def apply_mlp(layers: Layers, x: Any) -> Any:
    """The multilayer perceptron by hand."""
    *hidden, (V, c) = layers
    for W, b in hidden:
        x = tanh(x @ W + b)
    return x @ V + c


def _apply_residual(layers: Layers, x: Any) -> Any:
    (U, a), *hidden, (V, c) = layers
    x = tanh(x @ U + a)
    for W, b in hidden:
        x = x + tanh(x @ W + b)
    return x @ V + c


def _apply_modified(layers: Layers, x: Any) -> Any:
    (P, p), (Q, q), *hidden, (V, c) = layers
    u = tanh(x @ P + p)
    change = tanh(x @ Q + q) - u
    for W, b in hidden:
        x = u + tanh(x @ W + b) * change
    return x @ V + c


def _mlp(axes: int, outputs: int, depth: int, width: int) -> Network:
    module: Any = foundax.mlp(axes, outputs, hidden_dims=width, num_layers=depth, key=jax.random.PRNGKey(0))
    return Network(module, _weights((*module.hidden_layers, module.output_layer)), apply_mlp)


def _residual(axes: int, outputs: int, depth: int, width: int) -> Network:
    layers = _linears(axes, *[width] * depth, outputs)
    return Network(Residual(layers), _weights(layers), _apply_residual)


def _modified(axes: int, outputs: int, depth: int, width: int) -> Network:
    one, other = _linears(axes, width, seed=1) + _linears(axes, width, seed=2)
    layers = _linears(axes, *[width] * depth, outputs)
    return Network(Modified(one, other, layers), _weights((one, other, *layers)), _apply_modified)


def _fourier(axes: int, outputs: int, depth: int, width: int) -> Network:
    frequencies = jax.random.normal(jax.random.key(3), (FREQUENCIES, axes))
    mlp = eqx.nn.MLP(2 * FREQUENCIES, outputs, width, depth, jnp.tanh, key=jax.random.key(0))
    phases = 2 * math.pi * frequencies.T
    module = Fourier(frequencies, mlp)
    return Network(
        module, _weights(mlp.layers), lambda w, x: apply_mlp(w, waves(x @ phases)), lambda module: [module.frequencies]
    )


def _deeponet(axes: int, outputs: int, depth: int, width: int) -> Network:
    if outputs != 1:
        raise SystemExit(
            f"The DeepONet of the benchmarks has one output, not {outputs}; leave such rows out with --rows."
        )
    sensors = jnp.sin(jnp.linspace(0, 3, SENSORS))
    branch, trunk = (
        eqx.nn.MLP(inputs, BASIS, width, depth, jnp.tanh, key=jax.random.key(i))
        for i, inputs in enumerate((SENSORS, axes))
    )

    def by_hand(weights: tuple[Layers, Layers], x: Any) -> Any:
        return tanh(apply_mlp(weights[1], x)) @ apply_mlp(weights[0], sensors)[:, None]

    module = DeepONet(tuple(sensors.tolist()), branch, trunk)
    return Network(module, (_weights(branch.layers), _weights(trunk.layers)), by_hand)


def _linears(*sizes: int, seed: int = 0) -> Linears:
    keys = jax.random.split(jax.random.key(seed), len(sizes))
    return [eqx.nn.Linear(a, b, key=key) for a, b, key in zip(sizes, sizes[1:], keys, strict=False)]


def _weights(linears: Sequence[Any]) -> Layers:
    return [(layer.weight.T, layer.bias) for layer in linears]


KINDS: dict[str, Callable[[int, int, int, int], Network]] = {
    "mlp": _mlp,
    "residual": _residual,
    "modified": _modified,
    "fourier": _fourier,
    "deeponet": _deeponet,
}
"""How the networks are made, of their numbers of axes, outputs, hidden layers and features."""
