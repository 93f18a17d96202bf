"""Attached arrays: what their axes mean is declared, never guessed from sizes."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

import jax
import numpy as np

from jno_core._domain.mapped_arrays import first_non_finite, is_mapped
from jno_core._domain.regions import Regions
from jno_core._graph import Collocation, TensorTag, Variable
from jno_core._interfaces import AbstractMeshFile, AbstractRenewable, AbstractResampler, Layout, TensorData
from jno_core.errors import JnoTypeError, JnoValueError


def is_array(value: Any) -> bool:
    """Whether the second argument of `variable(...)` is an array to attach rather than a sample."""
    return isinstance(value, np.ndarray | jax.Array)


def point_set(at: Any, domain: Any) -> Collocation | None:
    """The point set that `at=` names by one of its coordinates."""
    if at is None:
        return None
    if isinstance(at, tuple | list) and at:
        at = at[0]
    if not isinstance(at, Variable):
        raise JnoTypeError(f"at= takes a coordinate of the point set, as in at=x, got {at!r}.")
    if at.domain is not domain:
        raise JnoValueError(f"at={at!r} belongs to another domain; take it from a variable(...) call of this one.")
    return at.collocation


def point_data(geometry: Any, name: str, nodes: np.ndarray | None) -> np.ndarray:
    """An array of a mesh file at some of its nodes.

    Raises `JnoValueError` for a domain without such arrays, an unknown name, or without the points.
    """
    known = geometry.point_data if isinstance(geometry, AbstractMeshFile) else {}
    if name not in known:
        raise JnoValueError(f"There is no point data {name!r}; the domain was read with {sorted(known) or 'none'}.")
    if nodes is None:
        raise JnoValueError(f"Point data needs the points: domain.variable({name!r}, point_data=True, at=x).")
    return np.asarray(known[name])[nodes]


def laid_out(
    tag: str, array: Any, per: Layout | None, collocation: Collocation | None, instances: int
) -> tuple[TensorData, tuple[int, ...]]:
    """The array with a leading instance axis, and the shape of one instance.

    Raises `JnoValueError` when the declared axes do not have the lengths B and N, the array is not finite, or a leading axis
    could be read in two ways.
    """
    # JAX's arrays stay where they are, NumPy's in host memory, or in the file that they map.
    value = array if isinstance(array, jax.Array) else np.asarray(array)
    if not (np.issubdtype(value.dtype, np.number) or value.dtype == bool):
        raise JnoTypeError(f"{tag!r} must be an array of numbers, got dtype {value.dtype}.")
    where = first_non_finite(np.asarray(value))
    if where is not None:
        raise JnoValueError(f"{tag!r} is not finite at index {where}. Remove or replace such entries first.")
    if per is None:
        per = _default(tag, value.shape, collocation, instances)
    if per not in get_args(Layout):
        raise JnoValueError(f"per={per!r} is unknown; expected one of {list(get_args(Layout))}.")
    if per in ("point", "instance_point") and collocation is None:
        raise JnoValueError(f"per={per!r} needs at=x, a coordinate of the point set that the axis belongs to.")
    if per in ("shared", "instance") and collocation is not None:
        raise JnoValueError(f"at= belongs to per='point' or per='instance_point', got per={per!r}.")
    expected = {
        "shared": (),
        "instance": (instances,),
        "point": (collocation.size,) if collocation else (),
        "instance_point": (instances, collocation.size) if collocation else (),
    }[per]
    if value.shape[: len(expected)] != expected:
        raise JnoValueError(
            f"{tag!r} with per={per!r} must start with the axes {expected} (B={instances}"
            + (f", N={collocation.size}" if collocation else "")
            + f"), got the shape {value.shape}."
        )
    if isinstance(value, np.ndarray) and not is_mapped(value):
        value = value.astype(jax.dtypes.canonicalize_dtype(value.dtype))
    if per in ("shared", "point"):
        value = value[None]
    return TensorData(value, per, None if collocation is None else collocation.name), tuple(value.shape[1:])


def check_again(known: TensorTag, new: TensorTag) -> None:
    """Raises `JnoValueError` unless new data under a known name fits the expressions that read it."""
    for what in ("shape", "dtype", "collocation"):
        old, given = getattr(known, what), getattr(new, what)
        if old != given:
            old, given = (getattr(v, "name", v) for v in (old, given))
            words = "on the points" if what == "collocation" else f"with {what}"
            raise JnoValueError(
                f"{known.tag!r} is attached {words} {old} already, got {given}. Attach it under another name."
            )


def data_for(
    node: TensorTag, attached: Mapping[str, tuple[TensorTag, TensorData]], chosen: Mapping[str, Any]
) -> TensorData:
    """The data for an attached array: those of the domain for evaluation if it has any, else those it was made with.

    `chosen` maps the names of the expression's point sets to those that stand for them in the domain for evaluation.

    Raises `JnoValueError` for data of another shape or on other points than the expression is evaluated on.
    """
    name = None if node.collocation is None else node.collocation.name
    found = attached.get(node.tag)
    if found is None:
        if name is not None:
            raise JnoValueError(
                f"{node.tag!r} has values on the points it was attached to only. Attach it to the domain for evaluation: "
                f"domain.variable({node.tag!r}, array, per='point', at=x)."
            )
        return node.domain.attached()[node.tag][1]
    own, data = found
    if data.collocation != (None if name is None else chosen[name]):
        raise JnoValueError(
            f"{node.tag!r} is attached to the points {data.collocation!r} of the domain for evaluation, but the expression is "
            f"evaluated on {None if name is None else chosen[name]!r}. Draw and attach in the order of the first domain."
        )
    axes = 0 if name is None else 1
    if own.shape[axes:] != node.shape[axes:]:
        raise JnoValueError(f"{node.tag!r} has shape {own.shape} in the domain for evaluation, expected {node.shape}.")
    return dataclasses.replace(data, collocation=name)


def checked_resampler(strategy: Any, tag: str, regions: Regions) -> AbstractResampler | None:
    """The strategy of a point set: that of the geometry where none is given.

    Raises `JnoTypeError` for what is no strategy, and `JnoValueError` where no candidates can be drawn.
    """
    if strategy is None:
        geometry = regions.geometry
        if geometry is None or tag not in geometry.tags() or not isinstance(geometry, AbstractRenewable):
            return None
        return geometry.resampler(tag)
    if not isinstance(strategy, AbstractResampler):
        raise JnoTypeError(
            f"resampling_strategy takes an AbstractResampler such as one of jno.sampler, got {strategy!r}. Pass an object of it."
        )
    if regions.geometry is None or tag in regions.clouds or tag not in regions.kinds:
        raise JnoValueError(
            f"resampling_strategy on {tag!r}: new points come from a geometry, and there is none. Make the domain by "
            "jno.domain.NAME(...)."
        )
    return strategy


def _default(tag: str, shape: tuple[int, ...], collocation: Collocation | None, instances: int) -> Layout:
    if collocation is not None:
        n = collocation.size
        readings = [
            layout
            for layout, axes in (("point", (n,)), ("instance_point", (instances, n)))
            if shape[: len(axes)] == axes
        ]
        if len(readings) != 1:
            raise JnoValueError(
                f"The axes of {tag!r} with shape {shape} are ambiguous for B={instances}, N={n}; declare per='point' or "
                "per='instance_point'."
            )
        return readings[0]  # pyright: ignore[reportReturnType]
    return "instance" if instances > 1 and shape[:1] == (instances,) else "shared"
