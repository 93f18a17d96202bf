"""Checks of differentiation schemes."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from jno_core._interfaces import (
    AbstractScheme,
    AbstractSumming,
    DerivativeRequest,
    DifferentiationModes,
    Field,
    Support,
)
from jno_core.errors import PluginCapabilityError
from jno_core.testing._check import require
from jno_core.testing._classes import ClassSuite, constructed, require_immutable, require_reference
from jno_core.testing._manufactured import Waves
from jno_core.testing._point_sets import Layout, point_set, spacing
from jno_core.testing._precision import double_precision
from jno_core.testing._scheme_cases import Case, apply, cases, catalogue

_ROUNDING = 1e-9
"""Relative difference in float64 between two ways to compute the same."""


class SchemeSuite(ClassSuite):
    """Checks of a scheme on manufactured solutions. Inherit from it to state what the scheme can do, or to add checks.

    - `plugin`: the class. The instance is `plugin(**arguments)` if `arguments` are stated, else the plain family.
    - `layouts`: the point sets it is checked on; all of `"cloud"`, `"mesh"` and `"periodic"` by default. What the
      scheme's `supports` declines there is not checked.
    - `orders`: for a scheme that is not exact, the order of convergence in root mean square of derivatives of each
      order; 1 where nothing is stated. A measured order may fall short by 0.3.
    - `tolerance`: the relative error in float64 below which a derivative counts as exact.
    """

    plugin: ClassVar[type[AbstractScheme]]
    layouts: ClassVar[tuple[Layout, ...]] = ("cloud", "mesh", "periodic")
    orders: ClassVar[Mapping[int, float]] = MappingProxyType({})
    tolerance: ClassVar[float] = 1e-8

    def make(self) -> AbstractScheme:
        """The scheme under test."""
        if self.arguments:
            return constructed(self.plugin, self.arguments)
        return self.plugin.from_variant(None, DifferentiationModes())

    def test_reference(self) -> None:
        """The docstring says where the method comes from."""
        require_reference(self.plugin)

    def test_static(self) -> None:
        """Immutable, without arrays, and equal and hashable by its configuration, as a part of a compiled function."""
        scheme = self.make()
        require_immutable(scheme)
        leaves = jax.tree.leaves(scheme)
        require(
            not leaves, f"The scheme holds arrays or numbers as leaves, {leaves}; mark its options as static fields."
        )
        equal = scheme == self.make() and hash(scheme) == hash(self.make())
        require(equal, "Two schemes with the same configuration differ, so that each use would be compiled anew.")

    def test_coverage(self) -> None:
        """It serves something on some point set of the kit; otherwise all that follows would be skipped."""
        scheme = self.make()
        where = point_set(self.layouts[0], 1, time=False, level=0)[1]
        reasons = {str(scheme.supports(request, where)) for request in catalogue(where)}
        require(
            any(True for _ in cases(scheme, self.layouts)), f"The scheme serves nothing: {'; '.join(sorted(reasons))}"
        )

    def test_supports(self) -> None:
        """It says of every request whether it serves it, without looking at the coordinates."""
        scheme = self.make()
        for layout, space in itertools.product(self.layouts, (1, 2, 3)):
            where = point_set(layout, space, time=True, level=0)[1]
            abstract = dataclasses.replace(where, columns=tuple(jax.eval_shape(lambda c: c, c) for c in where.columns))
            for request in (*catalogue(where), DerivativeRequest("partial", (0,) * 12)):
                reason = scheme.supports(request, where)
                said = f"supports({request}) returned {reason!r}"
                require(reason is None or (isinstance(reason, str) and reason), f"{said}; expected None or a reason.")
                require(
                    scheme.supports(request, abstract) == reason, f"{said}, but something else without coordinates."
                )

    def test_variants(self) -> None:
        """Each variant that it lists can be had, and is right in the simplest case it serves."""
        if self.arguments:
            pytest.skip("what is stated holds for one instance; the suite of the plain family checks the variants")
        for variant in self.plugin.variants:
            scheme = self.plugin.from_variant(variant, DifferentiationModes())
            with double_precision():
                for case in itertools.islice(_first_order(scheme, self.layouts), 1):
                    self._check_errors(case, f"variant {variant!r}: ")

    def test_unknown_variant(self) -> None:
        """An unknown variant is refused, and the message lists the known ones."""
        try:
            self.plugin.from_variant("no_such_variant", DifferentiationModes())
        except PluginCapabilityError as error:
            missing = [variant for variant in self.plugin.variants if variant not in str(error)]
            require(not missing, f"The message about an unknown variant does not list {missing}: {error}")
            return
        raise AssertionError("from_variant('no_such_variant') raised nothing; expected PluginCapabilityError.")

    def test_manufactured(self) -> None:
        """All derivatives that it serves are right: exact to round-off, or converging at the stated order."""
        with double_precision():
            for case in _applicable(cases(self.make(), self.layouts)):
                self._check_errors(case)

    def test_components(self) -> None:
        """Targets `(n, c)` and `(n,)` give the shapes of the contract, and each component what it gives alone."""
        with double_precision():
            case = self._case()
            waves = [case.components[0], Waves.draw(case.space + case.time, periodic=case.layout == "periodic", seed=1)]
            alone = [dataclasses.replace(case, components=(wave,), flat=True).answer() for wave in waves]
            together = dataclasses.replace(case, components=tuple(waves)).answer()
            for request, *parts, whole in zip(case.requests, *alone, together, strict=True):
                _require_close(f"{request} of two components", whole, jnp.stack(parts, axis=1))

    def test_shared(self) -> None:
        """A set of requests gives, in their order, what each gives alone."""
        with double_precision():
            case = self._case()
            backwards = dataclasses.replace(case, requests=case.requests[::-1])
            for request, result in zip(backwards.requests, backwards.answer(), strict=True):
                alone = dataclasses.replace(case, requests=(request,)).answer()
                require(len(alone) == 1, f"apply() gave {len(alone)} results for one request.")
                _require_close(f"{request} among others", result, alone[0])

    def test_merges(self) -> None:
        """If a chain may be merged, the merged derivative is what the chain of two gives."""
        with double_precision():
            case = self._case()
            where = case.support()[1]
            for axes in itertools.product(range(len(where.columns)), repeat=2):
                request = DerivativeRequest("partial", axes)
                merges = self.make().merges(request)
                require(isinstance(merges, bool), f"merges({request}) returned {merges!r}; expected True or False.")
                if merges and case.scheme.supports(request, where) is None:
                    merged = apply(case.scheme, (request,), case.field(where), where)[0]
                    _require_close(f"merged {request}", merged, _chained(case, where, axes))
            every = tuple(itertools.product(range(len(where.columns)), repeat=2))
            request = DerivativeRequest.sum_of(every)
            sums = isinstance(case.scheme, AbstractSumming) and case.scheme.sums(request)
            if sums and case.scheme.supports(request, where) is None:
                merged = apply(case.scheme, (request,), case.field(where), where)[0]
                chained = jnp.stack([_chained(case, where, axes) for axes in every])
                _require_close(f"merged {request}", merged, jnp.sum(chained, axis=0))

    def test_aligned(self) -> None:
        """Arrays that go with the points reach the target row by row."""
        with double_precision():
            case = self._case()
            where = case.support()[1]
            plain = case.field(where)

            def at(columns: tuple[Array, ...], aligned: dict[str, Array], location: Any = None) -> Array:
                return aligned["factor"] * plain.at(columns, {}, location)

            aligned = {"factor": jnp.full_like(where.columns[0], 2.0)}
            field = Field(at, lambda: aligned["factor"] * plain.values(), aligned, "scaled waves")
            results = apply(case.scheme, case.requests, field, where)
            for request, result, once in zip(case.requests, results, case.answer(), strict=True):
                _require_close(f"{request} of a target that reads point-aligned arrays", result, 2 * once)

    def test_jit(self) -> None:
        """Compiled, it gives what it gives uncompiled."""
        with double_precision():
            case = self._case()
            derivatives, parameters = _derivatives(case)
            compiled = jax.jit(derivatives)(parameters)
            for request, got, expected in zip(case.requests, compiled, derivatives(parameters), strict=True):
                _require_close(f"{request} under jit", got, expected)

    def test_vmap(self) -> None:
        """Mapped over fields, it gives what it gives for each."""
        with double_precision():
            case = self._case()
            derivatives, parameters = _derivatives(case)
            several = [jax.tree.map(lambda leaf, k=k: leaf * (1 + 0.1 * k), parameters) for k in range(3)]
            mapped = jax.vmap(derivatives)(jax.tree.map(lambda *leaves: jnp.stack(leaves), *several))
            for k, single in enumerate(several):
                for request, got, expected in zip(case.requests, mapped, derivatives(single), strict=True):
                    _require_close(f"{request} under vmap", got[k], expected)

    def test_dtype(self) -> None:
        """It keeps float32 and float64, whether or not 64-bit types are on, and both give the same to round-off."""
        results = {}
        for enabled, dtype in ((False, "float32"), (True, "float32"), (True, "float64")):
            with double_precision(enabled):
                case = self._case()
                derivatives, parameters = _derivatives(case, dtype)
                results[enabled, dtype] = derivatives(parameters)
                for request, result in zip(case.requests, results[enabled, dtype], strict=True):
                    said = f"{request} of a {dtype} field is {result.dtype} with 64-bit types {'on' if enabled else 'off'}."
                    require(result.dtype == dtype, said)
        for key in ((False, "float32"), (True, "float32")):
            for request, got, expected in zip(case.requests, results[key], results[True, "float64"], strict=True):
                _require_close(f"{request} in float32", got, expected, 1e-2)

    def test_differentiable(self) -> None:
        """Its gradient in the parameters of the field is that of its values, by central differences."""
        with double_precision():
            case = self._case()
            derivatives, parameters = _derivatives(case)

            def loss(step: Array) -> Array:
                moved = jax.tree.map(
                    lambda leaf: leaf + step * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), parameters
                )
                return sum((jnp.mean(jnp.sin(result)) for result in derivatives(moved)), start=jnp.zeros(()))

            step = 1e-5
            expected = (loss(jnp.asarray(step)) - loss(jnp.asarray(-step))) / (2 * step)
            _require_close("gradient in the parameters", jax.grad(loss)(jnp.zeros(())), expected, 1e-5)

    def test_deterministic(self) -> None:
        """The same question has the same answer, to the last bit."""
        case = self._case()
        for request, first, second in zip(case.requests, case.answer(), case.answer(), strict=True):
            require(np.array_equal(first, second), f"Asked twice, {request} gave two answers.")

    def _case(self) -> Case:
        return next(_applicable(_first_order(self.make(), self.layouts)))

    def _check_errors(self, case: Case, prefix: str = "") -> None:
        coarse = case.errors()
        if max(coarse) <= self.tolerance:
            return
        fine = dataclasses.replace(case, level=1).errors()
        refinement = spacing(case.layout, case.space, 0) / spacing(case.layout, case.space, 1)
        for request, before, after in zip(case.requests, coarse, fine, strict=True):
            if before <= self.tolerance or after <= self.tolerance:
                continue
            order, least = math.log(before / after) / math.log(refinement), self.orders.get(request.order, 1.0)
            require(
                order >= least - 0.3,
                f"{prefix}{request} in {case} is wrong: relative error {before:.2g}, and {after:.2g} on finer points, "
                f"which is order {order:.2f}; expected an exact result or order {least:g}.",
            )


def _applicable(found: Any) -> Any:
    first = next(iter(found), None)
    if first is None:
        pytest.skip("nothing is served; see coverage")
    return itertools.chain([first], found)


def _first_order(scheme: AbstractScheme, layouts: tuple[Layout, ...]) -> Any:
    """The cases with derivatives up to second order only, in two dimensions first."""
    found = sorted(cases(scheme, layouts), key=lambda case: (case.space != 2, case.time))
    for case in found:
        requests = tuple(request for request in case.requests if 1 <= request.order <= 2)
        if requests:
            yield dataclasses.replace(case, requests=requests)


def _derivatives(case: Case, dtype: str | None = None) -> tuple[Callable[[Any], tuple[Array, ...]], Any]:
    """The case's answer as a function of the parameters of its field, prepared beforehand as the core does."""
    where = case.support()[1]
    parameters = [wave.parameters() for wave in case.components]
    if dtype is not None:
        where, parameters = jax.tree.map(lambda leaf: leaf.astype(dtype), (where, parameters))
    prepared = case.scheme.prepare(case.requests, where)
    return lambda p: apply(case.scheme, case.requests, case.field(where, p), where, prepared), parameters


def _chained(case: Case, where: Support, axes: tuple[int, ...]) -> Array:
    first, second = (DerivativeRequest("partial", (axis,)) for axis in axes)

    def derivative(columns: tuple[Array, ...]) -> Array:
        there = dataclasses.replace(where, columns=columns)
        return apply(case.scheme, (first,), case.field(there), there)[0]

    field = Field(
        lambda columns, aligned, location=None: derivative(columns), lambda: derivative(where.columns), {}, "derivative"
    )
    return apply(case.scheme, (second,), field, where)[0]


def _require_close(what: str, got: Array, expected: Array, tolerance: float = _ROUNDING) -> None:
    require(got.shape == expected.shape, f"The {what} has the shape {got.shape}, expected {expected.shape}.")
    # In NumPy, since the two may come from different settings of JAX's 64-bit types.
    scale = float(np.abs(np.asarray(expected)).max())
    difference = float(np.abs(np.asarray(got) - np.asarray(expected)).max())
    require(
        difference <= tolerance * scale,
        f"The {what} differs by {difference:.2g} from what is expected, of size {scale:.2g}.",
    )
