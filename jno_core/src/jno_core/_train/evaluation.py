"""Evaluating expressions at the current weights."""

from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import Array

from jno_core._compile import Program, all_values, instance_count, share
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._domain import Domain
from jno_core._graph import Balance, Placeholder, TensorTag, TimeIntegral, Variable, walk
from jno_core._interfaces import DomainData
from jno_core._train.problem import data_of
from jno_core.errors import JnoValueError


@final
class Evaluator:
    """Evaluates a fixed list of expressions; the compiled function is reused while shapes stay the same."""

    def __init__(self, expressions: Sequence[Placeholder]) -> None:
        self.program = Program(expressions)
        self._run = jax.jit(self._values, static_argnames=("static", "steps"))

    def __call__(
        self, domain: Domain | None, weights: dict[Balance, Array], min_consecutive: int | None, key: PRNGKey | None
    ) -> list[Array]:
        """The values: `(B, T, *shape)`, without T for one time step, without B for an expression that reads no domain."""
        program = self.program
        if domain is not None:
            _check_time(program.roots, domain)
        data = data_of(program, domain)
        steps = _steps(data.times, min_consecutive)
        modules = [m.module if key is not None else eqx.nn.inference_mode(m.module) for m in program.models.values()]
        arrays, static = eqx.partition(modules, eqx.is_array)
        leaves, structure = jax.tree.flatten(static)
        values = self._run(arrays, data, [weights[b] for b in program.balances], key, (tuple(leaves), structure), steps)
        return [_trimmed(v, data, root, steps) for v, root in zip(values, program.expressions, strict=True)]

    def _values(
        self, arrays: PyTree, data: DomainData, weights: Any, key: PRNGKey | None, static: Any, steps: int
    ) -> list[Array]:
        program = self.program
        modules = eqx.combine(arrays, jax.tree.unflatten(static[1], static[0]))
        combined = dict(zip(program.models.values(), modules, strict=True))
        known = dict(zip(program.balances, weights, strict=True))
        return share(lambda: all_values(program, program.expressions, data, combined, known, key, steps))()


def _check_time(roots: Sequence[Placeholder], domain: Domain) -> None:
    for node in walk.nodes(roots):
        if isinstance(node, Variable) and node.axis == "time" and domain.steady and not node.collocation.steady:
            raise JnoValueError(
                f"The expression reads the time of {node.tag!r}, and the domain for evaluation is steady. Give that domain a "
                "time axis, as in jno.domain.line(time=(0.0, 1.0, 11))."
            )


def _steps(times: int, min_consecutive: int | None) -> int:
    if min_consecutive is None:
        return times
    if isinstance(min_consecutive, bool) or not isinstance(min_consecutive, int) or min_consecutive < 1:
        raise JnoValueError(f"min_consecutive must be None (all times) or an integer >= 1, got {min_consecutive!r}.")
    return min(min_consecutive, times)


def _trimmed(value: Array, data: DomainData, root: Placeholder, steps: int) -> Array:
    collocations = [c.name for c in walk.collocations([root])]
    tensors = [n.tag for n in walk.nodes([root]) if isinstance(n, TensorTag)]
    # What is integrated over time has one value for all times.
    in_time = walk.collocations([root], lambda node: () if isinstance(node, TimeIntegral) else node.children())
    own_times = max((data.points[c.name].times.shape[0] for c in in_time), default=1)
    if steps > 1 and own_times == 1:
        value = value[:, 0]
    if not collocations and not tensors:
        return value[0]
    return value[: instance_count(data, collocations, tensors)]
