"""Any network as a PyTree that can be called on blocks of points.

A module is called in one of three ways, found out once, when the network is first applied to expressions: on whole blocks
`(N, k)` as separate arguments, or mapped over points with separate or joined coordinates (`eqx.nn.MLP`). A module that
works on blocks and would mix their rows is called on blocks of a single row if the user says so.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._custom_types import PyTree
from jno_core._graph import misfit, walk
from jno_core._graph.calculus import Parameterised
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import TensorTag
from jno_core._settings import get_seed
from jno_core.errors import JnoTypeError, JnoValueError

Convention = Literal["batched", "single", "mapped", "joined", "parameter"]
Pointwise = Literal["map"] | None

# A prime that no layer width equals by accident: at this many rows a contraction over points cannot pass for one over
# features.
_PROBE_ROWS = 7919
_IN_WORDS = {"batched": "on all points at once", "mapped": "point by point", "joined": "on the point as one vector"}


@final
class ParameterArray(eqx.Module):
    """The module of a trainable parameter: one array."""

    value: Float[Array, "..."]

    def __call__(self) -> Float[Array, "..."]:
        return self.value


@final
class PlainCallable(eqx.Module):
    """A function without parameters."""

    fn: Callable[..., Any] = eqx.field(static=True)

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)


@final
class LinenModule(eqx.Module):
    """A Flax Linen module with its variables."""

    variables: PyTree
    definition: Any = eqx.field(static=True)

    def __call__(self, *args: Any) -> Any:
        return self.definition.apply(self.variables, *args)


@final
class NnxModule(eqx.Module):
    """A Flax NNX module as its graph definition and state."""

    state: PyTree
    definition: Any = eqx.field(static=True)
    merge: Callable[..., Any] = eqx.field(static=True)

    def __call__(self, *args: Any) -> Any:
        return self.merge(self.definition, self.state)(*args)


@final
class Uninitialised(eqx.Module):
    """A Flax Linen module whose variables are made at its first call, when the widths of the inputs are known."""

    definition: Any = eqx.field(static=True)

    def initialised(self, avals: tuple[jax.ShapeDtypeStruct, ...]) -> LinenModule:
        """The module with variables drawn from the project's seed."""
        key = jax.random.key(get_seed())
        blocks = [jnp.zeros(a.shape, a.dtype) for a in avals]
        return LinenModule(self.definition.init(key, *blocks), self.definition)


def adapt(module: Any) -> PyTree:
    """`module` as a PyTree: an Equinox module, a Flax Linen or NNX module, or a plain callable.

    Raises `JnoTypeError` for a class or for what cannot be called.
    """
    if isinstance(module, type):
        raise JnoTypeError(f"wrap(...) takes an instance, got the class {module.__name__}. Construct it first.")
    if isinstance(module, eqx.Module):
        return checked(module)
    # Whoever has an instance has imported its library, so nothing needs to be imported to recognise it.
    linen, nnx = sys.modules.get("flax.linen"), sys.modules.get("flax.nnx")
    if linen is not None and isinstance(module, linen.Module):
        if module.scope is None:
            return Uninitialised(module)
        definition, variables = module.unbind()
        return LinenModule(variables, definition)
    if nnx is not None and isinstance(module, nnx.Module):
        definition, state = nnx.split(module)
        return NnxModule(state, definition, nnx.merge)
    if not callable(module) or isinstance(module, Parameterised | Placeholder):
        raise JnoTypeError(f"wrap(...) takes an Equinox or Flax module or a callable, got {module!r}.")
    return PlainCallable(module)


def checked(module: PyTree) -> PyTree:
    """The module, if its parameters are finite.

    Raises `JnoValueError` naming the first leaf that is not.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(module):
        if eqx.is_inexact_array(leaf) and not bool(jnp.all(jnp.isfinite(leaf))):
            raise JnoValueError(
                f"The parameter {jax.tree_util.keystr(path)} holds NaN or infinity. Give it finite values."
            )
    return module


def convention(module: PyTree, args: tuple[Any, ...], name: str, pointwise: Pointwise) -> Convention:
    """How to call `module` on these nodes; with `pointwise="map"` in a way that cannot mix points.

    Raises `JnoTypeError` when no way works, with what each one said.
    """
    # Dropout and its like need no key in inference.
    module = eqx.nn.inference_mode(module)
    rows = per_point(args)
    actual = tuple(node.aval for node in args)
    probes = tuple(
        jax.ShapeDtypeStruct((_PROBE_ROWS, *a.shape[1:]), a.dtype) if row else a
        for a, row in zip(actual, rows, strict=True)
    )
    failures: dict[str, str] = {}
    trials: tuple[tuple[Convention, tuple[Any, ...]], ...] = (
        ("batched", probes),
        ("mapped", probes),
        ("joined", probes),
        ("batched", actual),
    )
    for candidate, avals in trials:
        try:
            out = eqx.filter_eval_shape(functools.partial(_evaluate_without_key, candidate, rows), module, avals)
        except (TypeError, ValueError, IndexError, AssertionError) as e:
            failures[_IN_WORDS[candidate]] = misfit.reason(e)
            continue
        except Exception as e:
            e.add_note(f"while calling {name}({', '.join(map(repr, args))})")
            raise
        if isinstance(out, jax.ShapeDtypeStruct) and (
            avals is actual or (out.shape[:1] == (_PROBE_ROWS,) and out.ndim <= 2)
        ):
            return "single" if candidate == "batched" and pointwise == "map" else candidate
        failures[_IN_WORDS[candidate]] = f"it returned {type(out).__name__}, which is no array"
    shapes = ", ".join(f"{node!r}: {node.aval.shape}" for node in args)
    tried = "".join(f"\n  {way}: {why}" for way, why in failures.items())
    raise JnoTypeError(
        f"{name} cannot be called on ({shapes}). Tried{tried}\n"
        f"Give it one coordinate per input of the network, as in net(x, y).{misfit.across(args)}"
    )


def per_point(args: tuple[Placeholder, ...]) -> tuple[bool, ...]:
    """Which arguments have a row for each point. Attached arrays have if they were declared so, whatever their length."""
    sizes = {c.size for c in walk.collocations(args)}

    def has_rows(node: Placeholder) -> bool:
        if node.aval.ndim < 2 or node.aval.shape[0] not in sizes:
            return False
        return bool(walk.collocations([node])) or not any(isinstance(n, TensorTag) for n in walk.nodes([node]))

    return tuple(has_rows(node) for node in args)


def evaluate(
    module: PyTree, convention: Convention, rows: tuple[bool, ...], values: tuple[Any, ...], key: Any
) -> jax.Array:
    """The module's output for argument values, with a result `(N,)` at N points turned into `(N, 1)`.

    `rows` tells which values have a row for each point; the others are passed whole.
    """
    if convention == "parameter":
        return module()
    options = {"key": key} if _takes_key(module) else {}
    if convention == "batched":
        out = module(*values, **options)
    else:
        axes = tuple(0 if row else None for row in rows)
        if convention == "single":
            block = tuple(value[:, None] if row else value for value, row in zip(values, rows, strict=True))
            out = jax.vmap(lambda *p: module(*p, **options)[0], axes)(*block)
        elif convention == "joined":
            out = jax.vmap(lambda *p: module(jnp.concatenate([jnp.atleast_1d(v) for v in p]), **options), axes)(*values)
        else:
            out = jax.vmap(lambda *p: module(*p, **options), axes)(*values)
    n = next((value.shape[0] for value, row in zip(values, rows, strict=True) if row), None)
    if getattr(out, "ndim", None) == 1 and out.shape[0] == n:
        return out[:, None]
    return out


def _evaluate_without_key(
    convention: Convention, rows: tuple[bool, ...], module: PyTree, values: tuple[Any, ...]
) -> Any:
    return evaluate(module, convention, rows, values, None)


def write_summary(model: Any) -> None:
    """Write the leaves of a model and its totals to the standard output."""
    frozen = model.settings.frozen_selection(model.module).leaves
    lines, total, trainable = [f"{model!r}"], 0, 0
    for (path, leaf), fixed in zip(jax.tree_util.tree_leaves_with_path(model.module), frozen, strict=True):
        if eqx.is_inexact_array(leaf):
            total, trainable = total + leaf.size, trainable + (0 if fixed else leaf.size)
            state = "frozen" if fixed else "trains"
            lines.append(f"  {jax.tree_util.keystr(path):<40} {leaf.shape!s:<16} {leaf.dtype!s:<10} {state}")
    lines.append(f"  {total} parameters, {trainable} trainable")
    sys.stdout.write("\n".join(lines) + "\n")


def type_name(module: PyTree) -> str:
    """A short name of what a module is."""
    if isinstance(module, PlainCallable):
        return getattr(module.fn, "__name__", "callable")
    if isinstance(module, LinenModule | NnxModule | Uninitialised):
        return "flax"
    return type(module).__name__


def _takes_key(module: PyTree) -> bool:
    if not isinstance(module, eqx.Module) or isinstance(module, PlainCallable | LinenModule | NnxModule):
        return False
    return "key" in inspect.signature(type(module).__call__).parameters
