"""The total loss of many instances, taken in equal parts one after another.

The loss is a mean over instances, so parts of one size contribute equally; only balancers, whose weights follow from the
losses of all instances, need those beforehand.
"""

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._custom_types import PyTree, Scalar
from jno_core._graph import Balance, Placeholder
from jno_core._train.batches import Batches, instance_arrays, with_instances
from jno_core._train.moment import Moment, Parameters
from jno_core._train.objective import Measured, Objective


@final
class AccumulatedObjective:
    """An objective whose instances are taken in `batches.parts` equal parts: the same methods and values, less memory."""

    def __init__(self, whole: Objective, batches: Batches) -> None:
        self._whole, self._batches = whole, batches
        self._parts = batches.parts

    def total(self, params: Parameters, moment: Moment) -> Scalar:
        """See `Objective.total`."""
        moment = self._settled(params, moment)
        part = jax.checkpoint(lambda params, m: self._whole.total(params, m))
        return self._mean(lambda m: part(params, m), moment)

    def value_and_gradient(self, params: Parameters, moment: Moment) -> tuple[Scalar, Measured, Parameters]:
        """See `Objective.value_and_gradient`."""
        moment = self._settled(params, moment)

        def part(m: Moment) -> tuple[Scalar, Any, Any, Parameters]:
            total, measured, gradient = self._whole.value_and_gradient(params, m)
            return total, measured.losses, measured.tracked, gradient

        parts = self._split(moment)
        first = jax.tree.map(lambda x: x[0], parts)
        shapes = jax.eval_shape(lambda m: part(self._joined(m, moment)), first)
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, jnp.promote_types(s.dtype, jnp.float32)), shapes)

        def add(carry: PyTree, m: PyTree) -> tuple[PyTree, Any]:
            total, losses, tracked, gradient = part(self._joined(m, moment))
            sums = jax.tree.map(jnp.add, (carry[0], carry[1], carry[3]), (total, losses, gradient))
            return (sums[0], sums[1], carry[2], sums[2]), tracked

        done, tracked = jax.lax.scan(add, zeros, parts)
        total, losses, gradient = jax.tree.map(
            lambda x, s: (x / self._parts).astype(s.dtype),
            (done[0], done[1], done[3]),
            (shapes[0], shapes[1], shapes[3]),
        )
        return total, Measured(losses, self._instances(tracked), moment.advanced or {}), gradient

    def losses(self, params: Parameters, moment: Moment) -> Float[Array, " k"]:
        """See `Objective.losses`."""
        moment = self._settled(params, moment)
        return self._mean(lambda m: self._whole.losses(params, m), moment)

    def values(self, roots: tuple[Placeholder, ...], params: Parameters, moment: Moment) -> list[Array]:
        """See `Objective.values`."""
        moment = self._settled(params, moment)
        each = jax.lax.map(lambda m: self._whole.values(roots, params, self._joined(m, moment)), self._split(moment))
        return self._instances(each)

    def _settled(self, params: Parameters, moment: Moment) -> Moment:
        """The moment with the balancers advanced by the losses of all instances."""
        params = jax.lax.stop_gradient(params)

        def means(balance: Balance, at: Parameters | None = None) -> Float[Array, " n"]:
            where = params if at is None else at
            return self._mean(lambda m: self._whole.means(balance, where, self._whole.sums(where, m), m), moment)

        return moment._replace(advanced=self._whole.advanced(means, params, moment))

    def _mean(self, fn: Callable[[Moment], Array], moment: Moment) -> Array:
        return jnp.mean(jax.lax.map(lambda m: fn(self._joined(m, moment)), self._split(moment)), axis=0)

    def _split(self, moment: Moment) -> PyTree:
        """What belongs to single instances, with a leading axis of parts."""
        own = (instance_arrays(moment.data), moment.keys)
        return jax.tree.map(lambda x: x.reshape(self._parts, -1, *x.shape[1:]), own)

    def _joined(self, part: PyTree, moment: Moment) -> Moment:
        data = with_instances(moment.data, part[0])
        return moment._replace(data=data, chunks=self._batches.chunks(data), keys=part[1])

    def _instances(self, tree: PyTree) -> PyTree:
        """Parts back in one axis of instances."""
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)
