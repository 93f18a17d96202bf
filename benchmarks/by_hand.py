"""The same problems in plain JAX: as one writes them first, and as fast as one can.

Everything knows what the network is made of; that is what writing by hand may do and a library may not.
Letters in shapes: `n` points, `d` axes, `c` outputs.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from benchmarks.listed import Coordinates, added
from benchmarks.measure import Train
from benchmarks.networks import Layers, apply_mlp

Apply: TypeAlias = Callable[[Any, Any], Any]
"""The network by hand, of weights and points."""


class Derivatives(NamedTuple):
    """The network at all points, its first derivatives, and what the equation needs of higher order: each `(n, c)`."""

    value: Float[Array, "n c"]
    first: Sequence[Float[Array, "n c"]]
    operator: Float[Array, "n c"]


Propagation: TypeAlias = Callable[[Apply, Any, Float[Array, "n d"], tuple[int, ...]], Derivatives]
"""From the network, its weights, points and the axes along which second derivatives are summed."""


def plain(network: Apply, weights: Any, X: Float[Array, "n d"], axes: tuple[int, ...]) -> Derivatives:
    """What the documentation of JAX suggests: the Hessian of a function of one point, mapped over the points."""
    u = functools.partial(network, weights)
    gradients = jax.vmap(jax.jacrev(u))(X)
    hessians = jax.vmap(jax.hessian(u))(X)
    return Derivatives(
        jax.vmap(u)(X),
        [gradients[..., i] for i in range(X.shape[1])],
        added(hessians[..., i, i] for i in axes),
    )


def listed(network: Apply, weights: Any, X: Float[Array, "n d"], axes: tuple[int, ...]) -> Derivatives:
    """The forward Laplacian with one array for each tangent: XLA fuses the elementwise work, and nothing is stacked."""
    found = network(weights, Coordinates(X, axes))
    return Derivatives(found.value, found.first, found.second)


def stacked(_: Apply, layers: Layers, X: Float[Array, "n d"], axes: tuple[int, ...]) -> Derivatives:
    """The same of the multilayer perceptron with all tangents in one array, so that each layer is one wide product."""
    n, d = X.shape
    W, b = layers[0]
    z, dz, lz = X @ W + b, jnp.broadcast_to(W[:, None], (d, n, W.shape[1])), jnp.zeros((n, W.shape[1]))
    for W, b in layers[1:]:
        t = jnp.tanh(z)
        s = 1 - t * t
        squares = jnp.sum(jnp.square(dz[jnp.asarray(axes)] if len(axes) < d else dz), axis=0)
        z, dz, lz = t @ W + b, (s * dz) @ W, (s * lz - 2 * t * s * squares) @ W
    return Derivatives(z, list(dz), lz)


def nested(network: Apply, weights: Any, X: Float[Array, "n d"], axes: tuple[int, ...]) -> Derivatives:
    """A Jacobian-vector product of another for each axis, on all points at once."""
    u = functools.partial(network, weights)

    def along(i: int) -> Float[Array, "n d"]:
        return jnp.zeros_like(X).at[:, i].set(1)

    def first(i: int, Y: Float[Array, "n d"]) -> Float[Array, "n c"]:
        return jax.jvp(u, (Y,), (along(i),))[1]

    twice = [jax.jvp(functools.partial(first, i), (X,), (along(i),))[1] for i in axes]
    return Derivatives(u(X), [first(i, X) for i in range(X.shape[1])], added(twice))


def plain_biharmonic(network: Apply, weights: Any, X: Float[Array, "n d"], axes: tuple[int, ...]) -> Derivatives:
    """The Laplacian of the Laplacian at one point, mapped over the points."""
    u = functools.partial(network, weights)

    def laplacian(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda x: added(jax.hessian(f)(x)[..., i, i] for i in axes)

    return Derivatives(jax.vmap(u)(X), (), jax.vmap(laplacian(laplacian(u)))(X))


def taylor_biharmonic(_: Apply, layers: Layers, X: Float[Array, "n 2"], axes: tuple[int, ...]) -> Derivatives:
    """Δ² = 8/9 (D₀⁴ + D₆₀⁴ + D₁₂₀⁴) in the plane, by Taylor series of the multilayer perceptron along three directions."""
    del axes
    directions = jnp.asarray([[1, 0], [0.5, 0.75**0.5], [-0.5, 0.75**0.5]], X.dtype)
    W, b = layers[0]
    value = X @ W + b
    # Taylor coefficients of the pre-activations along each direction, the zeroth shared by all.
    series = [[jnp.broadcast_to(e @ W, value.shape), 0.0, 0.0, 0.0] for e in directions]
    for W, b in layers[1:]:
        t = jnp.tanh(value)
        series = [[c @ W for c in _tanh(t, z)] for z in series]
        value = t @ W + b
    return Derivatives(value, (), 8 / 9 * 24 * added(z[3] for z in series))


def _tanh(t: Array, z: list[Any]) -> list[Array]:
    """Taylor coefficients 1 to k of tanh from those of its argument, by t' = (1 - t²) z'."""
    ts, ss = [t], [1 - t * t]
    for k in range(1, len(z) + 1):
        ts.append(added(j * z[j - 1] * ss[k - j] for j in range(1, k + 1)) / k)
        ss.append(-added(ts[i] * ts[k - i] for i in range(k + 1)))
    return ts[1:]


PLAIN: dict[str, Propagation] = {"laplacian": plain, "biharmonic": plain_biharmonic}
"""The plain way, by operator."""

CHUNKS = (2500, 1250, 1000, 500, 250, 100)
"""Sizes of the parts in which the points are taken."""

ABREAST = (2, 4)
"""How many parts stand side by side in the loop over them, which lets XLA run them on several cores at once."""

MANY_AXES = 10
"""Below, stacking the tangents never wins; from here on, what is nested takes minutes to compile."""


class Task(NamedTuple):
    """What a contestant is given: the equation in terms of the derivatives, the points, and the weights to start from.

    `residual` returns what should vanish, as arrays `(n, 1)`; `coefficient` is a parameter to be found, or an empty array.
    `boundary` holds the points where the network should vanish, and may be empty.
    """

    residual: Callable[[Derivatives, Sequence[Float[Array, "n 1"]], Array], Sequence[Array]]
    operator: str
    axes: tuple[int, ...]
    points: Float[Array, "n d"]
    boundary: Float[Array, "b d"]
    network: Apply
    weights: Any
    coefficient: Float[Array, " p"]


Parameters: TypeAlias = tuple[Any, Array]
Gradient: TypeAlias = Callable[[Parameters, Array, Array], tuple[Array, Parameters]]


def gradient_of(task: Task, propagation: Propagation, chunk: int | None, abreast: int = 1) -> Gradient:
    """The loss and its gradient, as a function of the parameters, the points and the boundary points.

    The loss is the mean over the terms: one for each residual, and one for the boundary if there is any.
    """

    def interior(parameters: Parameters, X: Float[Array, "n d"]) -> Array:
        weights, a = parameters
        columns = [X[:, i : i + 1] for i in range(X.shape[1])]
        residuals = task.residual(propagation(task.network, weights, X, task.axes), columns, a)
        return jnp.stack([jnp.mean(jnp.square(r)) for r in residuals])

    def boundary(parameters: Parameters, B: Float[Array, "b d"]) -> Array:
        return jnp.mean(jnp.square(task.network(parameters[0], B)))[None] if len(B) else jnp.zeros(0)

    def whole(parameters: Parameters, X: Array, B: Array) -> tuple[Array, Parameters]:
        def loss(p: Parameters) -> Array:
            return jnp.mean(jnp.concatenate([interior(p, X), boundary(p, B)]))

        return jax.value_and_grad(loss)(parameters)

    def divided(parameters: Parameters, X: Array, B: Array) -> tuple[Array, Parameters]:
        def add(total: tuple[Array, Parameters], x: Array) -> tuple[tuple[Array, Parameters], None]:
            return jax.tree.map(jnp.add, total, jax.value_and_grad(lambda p: jnp.sum(interior(p, x)))(parameters)), None

        parts = X.reshape(-1, chunk, X.shape[1])
        edge = jax.value_and_grad(lambda p: len(parts) * jnp.sum(boundary(p, B)))(parameters)
        total, _ = jax.lax.scan(add, edge, parts, unroll=abreast)
        terms = jax.eval_shape(interior, parameters, X).shape[0] + (len(B) > 0)
        return jax.tree.map(lambda x: x / (len(parts) * terms), total)

    return whole if chunk is None else divided


def fused(task: Task, gradient: Gradient, optimizer: optax.GradientTransformation) -> Train:
    """All steps in one compiled loop."""

    @jax.jit
    def train(parameters: Parameters, X: Array, B: Array, steps: Array) -> Array:
        def step(_: Any, state: Any) -> Any:
            parameters, memory, _ = state
            loss, slope = gradient(parameters, X, B)
            change, memory = optimizer.update(slope, memory, parameters)
            return optax.apply_updates(parameters, change), memory, loss

        start = parameters, optimizer.init(parameters), jnp.zeros((), X.dtype)
        return jax.lax.fori_loop(0, steps, step, start)

    def run(steps: int) -> float:
        return float(
            jax.block_until_ready(
                train((task.weights, task.coefficient), task.points, task.boundary, jnp.asarray(steps))
            )[2]
        )

    return run


def looped(task: Task, gradient: Gradient, optimizer: optax.GradientTransformation) -> Train:
    """A Python loop that calls one compiled step, as most people write it; the loss is looked at in the end only."""

    @jax.jit
    def step(parameters: Parameters, memory: Any, X: Array, B: Array) -> tuple[Parameters, Any, Array]:
        loss, slope = gradient(parameters, X, B)
        change, memory = optimizer.update(slope, memory, parameters)
        updated: Any = optax.apply_updates(parameters, change)
        return updated, memory, loss

    def run(steps: int) -> float:
        parameters: Any = (task.weights, task.coefficient)
        memory, loss = optimizer.init(parameters), jnp.zeros(())
        for _ in range(steps):
            parameters, memory, loss = step(parameters, memory, task.points, task.boundary)
        return float(jax.block_until_ready((parameters, loss))[1])

    return run


def ways(task: Task, abreast: Sequence[int] = (1,)) -> Iterator[tuple[str, Gradient]]:
    """All hand-written ways of taking the derivatives but the plain one, with all sizes of parts, by name.

    Parts are taken so many at a time. There is no way for ΔΔu of other networks than multilayer perceptrons.
    """
    is_mlp = task.network is apply_mlp
    propagations: list[Propagation]
    if task.operator == "biharmonic":
        propagations = [taylor_biharmonic] if is_mlp else []
    elif task.points.shape[1] < MANY_AXES:
        propagations = [listed, nested]
    else:
        propagations = [listed, stacked] if is_mlp else [listed]
    for propagation in propagations:
        for number in abreast:
            yield from in_parts(task, propagation, number)


def in_parts(task: Task, propagation: Propagation, abreast: int) -> Iterator[tuple[str, Gradient]]:
    """One way with all sizes of parts, so many of them at a time, by name."""
    n, name = len(task.points), propagation.__name__
    if abreast == 1:
        yield f"{name}, all points at a time", gradient_of(task, propagation, None)
    for chunk in CHUNKS:
        if chunk < n and n % (chunk * abreast) == 0:
            size = f"{chunk} points" if abreast == 1 else f"{abreast} parts of {chunk} points side by side"
            yield f"{name}, {size} at a time", gradient_of(task, propagation, chunk, abreast)
