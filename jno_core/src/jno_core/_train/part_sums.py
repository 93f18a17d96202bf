"""The reductions over a divided point set, part by part.

Parts that wait for each other are taken in one loop: either forwards, where derivatives compute each part again, or in one
pass that adds up the gradient too, for which the slopes of the total loss in the reductions must be known. Parts of which
none waits for another are one program that is differentiated like any other.
"""

import functools
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_core._compile import Chunk, ChunkedSet, Kept, Program, Staged, chunk_sums, share
from jno_core._custom_types import PyTree
from jno_core._graph import Model
from jno_core._interfaces import DomainData
from jno_core._train.moment import LossForm, Moment, Parameters

Modules = Callable[[Parameters, PyTree], dict[Model, PyTree]]
"""The models, from the parameters that train and what the networks hold besides them."""


@final
class PartSums:
    """The reductions over one divided point set, as functions of the parameters and of the parts, `chunks`."""

    def __init__(self, program: Program, modules: Modules, divided: ChunkedSet, form: LossForm) -> None:
        self.divided = divided
        self._program, self._modules, self._window = program, modules, form.window
        self._steady = divided.collocation in form.steady

    def summed(self, params: Parameters, chunks: Chunk, moment: Moment) -> list[Array]:
        """The reductions; where parts wait for each other, their derivatives compute each part again."""
        if self.divided.at_once:
            return self.beside(params, chunks, moment)

        @jax.checkpoint
        def part(params: Parameters, chunk: Chunk) -> list[Array]:
            return share(self._of_part)(params, chunk, moment)

        def add(carry: list[Array], chunk: Chunk) -> tuple[list[Array], None]:
            return added(carry, part(params, chunk)), None

        zeros = self.zeros(params, chunks, moment)
        return jax.lax.scan(add, zeros, chunks, unroll=self.divided.abreast)[0]

    def beside(self, params: Parameters, chunks: Chunk, moment: Moment) -> list[Array]:
        """The reductions, with all parts side by side."""
        staged = self._staged(params, chunks, moment)
        common = staged.of_parameters(params)
        # Compiled by itself it is traced and differentiated once for all parts.
        evaluated = jax.jit(staged)
        parts = [jax.tree.map(lambda x, k=k: x[k], chunks) for k in range(self.divided.parts)]
        sums = [evaluated(params, part, Kept(common, staged.of_points(part))) for part in parts]
        return functools.reduce(added, sums)

    def passed(
        self, slopes: list[Array], params: Parameters, chunks: Chunk, moment: Moment
    ) -> tuple[list[Array], Parameters]:
        """One pass over the parts: the reductions, and their gradient weighted by the slopes."""
        staged = self._staged(params, chunks, moment)
        common, pull = jax.vjp(staged.of_parameters, params)

        def weighted(inputs: tuple[Parameters, list[Array]], chunk: Chunk, of_points: list[Array]) -> Any:
            sums = staged(inputs[0], chunk, Kept(inputs[1], of_points))
            # The slope in a complex number z is dL/d(Re z) - i dL/d(Im z), so L changes by the real part of c dz.
            terms = (jnp.sum(jnp.real(c * s)) for c, s in zip(slopes, sums, strict=True))
            return sum(terms, start=jnp.asarray(0.0)), sums

        def add(carry: PyTree, taken: tuple[Chunk, list[Array]]) -> tuple[PyTree, None]:
            (_, sums), gradient = jax.value_and_grad(weighted, has_aux=True)((params, common), *taken)
            return added(carry, (sums, gradient)), None

        # In half precision, the gradients of small parts would vanish beside the sum so far.
        given = (params, common)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.promote_types(x.dtype, jnp.float32)), (slopes, given))
        taken = (chunks, jax.vmap(staged.of_points)(chunks))
        sums, found = jax.lax.scan(add, zeros, taken, unroll=self.divided.abreast)[0]
        direct, through = jax.tree.map(lambda g, x: g.astype(x.dtype), found, given)
        return sums, added(direct, *pull(through)) if common else direct

    def zeros(self, params: Parameters, chunks: Chunk, moment: Moment) -> list[Array]:
        """The reductions over no part yet."""
        shapes = jax.eval_shape(lambda: self._of_part(params, _first(chunks), moment))
        return [jnp.zeros(s.shape, s.dtype) for s in shapes]

    def _staged(self, params: Parameters, chunks: Chunk, moment: Moment) -> Staged:
        """What one part adds to the reductions."""

        def part(params: Parameters, chunk: Chunk, fixed: tuple[PyTree, DomainData]) -> list[Array]:
            return self._of_part(params, chunk, moment._replace(rest=fixed[0], data=fixed[1]))

        parts = self.divided.parts if self._steady else 0
        return Staged(part, params, _first(chunks), (moment.rest, moment.data), parts)

    def _of_part(self, params: Parameters, chunk: Chunk, moment: Moment) -> list[Array]:
        modules = self._modules(params, moment.rest)
        return chunk_sums(self._program, self.divided, moment.data, chunk, modules, moment.keys, self._window)


def added(a: PyTree, b: PyTree) -> PyTree:
    """The sum of two trees of arrays."""
    return jax.tree.map(jnp.add, a, b)


def _first(chunks: Chunk) -> Chunk:
    return jax.tree.map(lambda x: x[0], chunks)
