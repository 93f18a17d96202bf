"""From expressions to arrays: instances and times are mapped here, one instance at one time is a `Scope`."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from jno_core._compile.data import Instance, instance_at, map_instances
from jno_core._compile.program import Program
from jno_core._compile.scope import Scope
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._graph import Balance, Model, Placeholder
from jno_core._graph.variable import default_float
from jno_core._interfaces import DomainData

Roots = tuple[Placeholder, ...]


def sampled_values(
    program: Program,
    roots: Roots,
    data: DomainData,
    modules: dict[Model, PyTree],
    weights: dict[Balance, Array],
    keys: PRNGKey,
    window: int = 1,
    known: Sequence[tuple[Placeholder, Array]] = (),
    chunk: Int[Array, ""] | None = None,
) -> list[Array]:
    """The roots for every instance, each from a random time step on: what a training step sees.

    `(B, *shape)` per root at one time step, `(B, window, *shape)` at several consecutive ones.

    - `keys`: one for each instance, `(B,)`.
    - `known`: expressions below the roots with their values of that shape, which are not computed again.
    - `chunk`: which part of the points `data` holds, if it is a part. Parts draw different random numbers.
    """
    nodes = tuple(node for node, _ in known)

    def one(single: DomainData, own: tuple[PRNGKey, list[Array]]) -> list[Array]:
        instance_key, values = own
        first = jax.random.randint(jax.random.fold_in(instance_key, _TIME_STREAM), (), 0, data.times - window + 1)
        drawn = instance_key if chunk is None else jax.random.fold_in(instance_key, chunk)

        def at_time(time: Array, key: PRNGKey, values: list[Array]) -> list[Array]:
            found = dict(zip(nodes, values, strict=True))
            return _evaluate(program, roots, single, time, modules, weights, key, found)

        if window == 1:
            return at_time(first, drawn, values)
        steps = jnp.arange(window)
        return jax.vmap(at_time)(first + steps, jax.vmap(jax.random.fold_in, (None, 0))(drawn, steps), values)

    return map_instances(one, data, (keys, [value for _, value in known]))


def all_values(
    program: Program,
    roots: Roots,
    data: DomainData,
    modules: dict[Model, PyTree],
    weights: dict[Balance, Array],
    key: PRNGKey | None,
    steps: int,
) -> list[Array]:
    """The roots for every instance at the first `steps` times: `(B, steps, *shape)`, or `(B, *shape)` for one step."""

    def one(single: DomainData, instance_key: PRNGKey | None) -> list[Array]:
        if steps == 1:
            return _evaluate(program, roots, single, 0, modules, weights, instance_key)

        def at_time(time: Array) -> list[Array]:
            sub = None if instance_key is None else jax.random.fold_in(instance_key, time)
            return _evaluate(program, roots, single, time, modules, weights, sub)

        return jax.lax.map(at_time, jnp.arange(steps))

    return map_instances(one, data, None if key is None else jax.random.split(key, data.instances))


# Beyond every node's stream number, so that the choice of a time step never coincides with a node's draw.
_TIME_STREAM = 2**31 - 1


def _evaluate(
    program: Program,
    roots: Roots,
    single: DomainData,
    time: Any,
    modules: dict[Model, PyTree],
    weights: dict[Balance, Array],
    key: PRNGKey | None,
    known: dict[Placeholder, Array] | None = None,
) -> list[Array]:
    instance = with_noise(program, instance_at(single, time), key)
    scope = Scope(program, roots, instance, modules, weights, key, known=known)
    return [jnp.asarray(scope.evaluate(root)) for root in roots]


def with_noise(program: Program, instance: Instance, key: PRNGKey | None) -> Instance:
    """The instance with the values of all noise terms on their points, zero without a key."""
    aligned = {name: dict(arrays) for name, arrays in instance.aligned.items()}
    for noise in program.noises:
        home, stream = program.home(noise).name, program.stream(noise)
        n = instance.columns[home][0].shape[0]
        drawn = (
            jnp.zeros((n, noise.ndim), default_float())
            if key is None
            else noise.draw(jax.random.fold_in(key, stream), n)
        )
        aligned[home][f"noise {stream}"] = drawn
    return eqx.tree_at(lambda i: i.aligned, instance, aligned, is_leaf=lambda x: x is instance.aligned)
