"""Checks of what only some geometries can do: distances and set operations."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core._interfaces import AbstractCombinable, AbstractDistance, AbstractGeometry
from jno_core._interfaces.capabilities import SetOperation
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError, PluginCapabilityError
from jno_core.testing._check import require
from jno_core.testing._geometry_subject import GeometrySubject
from jno_core.testing._precision import double_precision, unoptimised

_EXACT = 1e-8
"""Relative to the size, how far from zero a distance may be on the boundary."""

_FEW = 200
"""Points at which functions of JAX are evaluated."""

JaxFunction = Callable[[Float[Array, "n d"]], Float[Array, " n"]]


def check_signed_distance(subject: GeometrySubject) -> None:
    """It is negative inside and positive outside, zero on the boundary, and grows by no more than points move."""
    geometry = subject.geometry
    if not isinstance(geometry, AbstractDistance):
        return
    low, high = np.asarray(geometry.bounds())
    drawn = np.concatenate([subject.points("interior"), subject.points("boundary")])
    beyond = np.maximum(low - drawn, drawn - high).max()
    require(beyond <= _EXACT * subject.size, f"A sample lies {beyond:.3g} outside of bounds() = {[low, high]}.")
    points, inside = subject.trials
    points.setflags(write=False)
    distance = geometry.signed_distance(points)
    require(
        distance.shape == (len(points),) and np.all(np.isfinite(distance)),
        f"signed_distance gave {distance.shape} or numbers that are not finite; expected {(len(points),)} finite numbers.",
    )
    tolerance = _EXACT * subject.size
    wrong = np.where(inside, distance > tolerance, distance < -tolerance)
    require(
        not np.any(wrong),
        f"signed_distance has the wrong sign at {wrong.sum()} of {len(points)} points, such as {points[wrong][:1].tolist()}; "
        "expected it to be negative inside of the region.",
    )
    at_boundary = np.abs(geometry.signed_distance(subject.points("boundary"))).max()
    require(at_boundary <= tolerance, f"signed_distance is {at_boundary:.3g} on the boundary; expected 0.")
    near = points + 1e-3 * subject.size * np.random.default_rng(5).normal(size=points.shape)
    for others in (near, points[::-1]):
        apart = np.linalg.norm(others - points, axis=1)
        growth = (np.abs(geometry.signed_distance(others) - distance) - tolerance) / np.maximum(apart, tolerance)
        worst = int(np.argmax(growth))
        require(
            growth[worst] <= 1 + 1e-6,
            f"Between {points[worst].tolist()} and {others[worst].tolist()} signed_distance changes {growth[worst]:.4g} times "
            "as much as the points are apart; no distance does.",
        )


def check_smooth(subject: GeometrySubject, name: str) -> None:
    """`smooth_distance` or `bubble`: zero on its part only, positive inside, with finite gradients."""
    geometry = subject.geometry
    if not isinstance(geometry, AbstractDistance):
        return
    make: Callable[[str], JaxFunction] = getattr(geometry, name)
    try:
        make("no_such_tag")
    except JnoKeyError:
        pass
    else:
        raise AssertionError(f"{name} of an unknown tag raises nothing; expected JnoKeyError.")
    functions: dict[str, JaxFunction] = {}
    for tag in subject.outer_tags():
        try:
            functions[tag] = make(tag)
        except PluginCapabilityError:
            continue
        require(functions[tag] == make(tag), f"Two calls of {name}({tag!r}) give functions that are not equal.")
    if functions:
        _check_functions(subject, name, functions)


def _check_functions(subject: GeometrySubject, name: str, functions: Mapping[str, JaxFunction]) -> None:
    parts = [_Part.of(subject, tag) for tag in functions]
    inside = subject.points("interior", 3, _FEW)
    outside = subject.trials[0][~subject.trials[1]][:_FEW]
    points = np.concatenate([inside, outside, *(part.points for part in parts)])

    @jax.jit
    @jax.vmap
    def derived(x: Float[Array, " d"]) -> list[tuple[Array, Array]]:
        return [jax.value_and_grad(lambda x, f=function: f(x[None])[0])(x) for function in functions.values()]

    # One program: the functions are made from the same surfaces, which are then compiled once.
    with double_precision(), unoptimised():
        found = [(np.asarray(v), np.asarray(g)) for v, g in derived(jnp.asarray(points))]
    start = len(inside) + len(outside)
    for part, (values, gradients) in zip(parts, found, strict=True):
        own = slice(start, start + len(part.points))
        start = own.stop
        near = np.r_[: len(inside) + len(outside), own]
        label = f"{name}({part.tag!r})"
        finite = np.isfinite(values[near]) & np.all(np.isfinite(gradients[near]), axis=1)
        require(np.all(finite), f"{label} or its gradient is not finite at {points[near][~finite][:1].tolist()}.")
        _check_values(subject, label, part, values[: len(inside)], inside, values[own])
        if name == "bubble":
            largest = values[: len(inside)].max()
            require(largest <= 2, f"{label} grows to {largest:.3g}; expected about 1 at most.")
        elif part.normals is not None:
            # Near corners the part is not smooth; half of it is certainly away from them.
            middle = float(np.median(np.abs(values[own][part.beside] / part.step - 1)))
            require(
                middle <= 1e-2, f"The normal derivative of {label} differs from 1 by {middle:.3g} on half of its part."
            )


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A part of the boundary: points on it, on the rest of the boundary away from it, and beside it in the inside."""

    tag: str
    points: Float[np.ndarray, "n d"]
    normals: Float[np.ndarray, "m d"] | None
    on: slice
    rest: slice
    beside: slice
    step: float

    @classmethod
    def of(cls, subject: GeometrySubject, tag: str) -> "_Part":
        draw = subject.geometry.sample(tag, _FEW, np.random.default_rng(2))
        boundary, own = subject.points("boundary", 4, 4 * _FEW), subject.points(tag, 5, 4 * _FEW)
        rest = _away(boundary, own, 0.2 * subject.size)[:_FEW]
        # On the part itself a distance has a kink, so that its gradient tells nothing; a little inside it does.
        step = 1e-5 * subject.size
        before = draw.points if draw.normals is None else draw.points - step * draw.normals
        on, last = len(draw.points), len(draw.points) + len(rest)
        points = np.concatenate([draw.points, rest, before])
        return cls(tag, points, draw.normals, slice(on), slice(on, last), slice(last, None), step)


def _check_values(
    subject: GeometrySubject,
    label: str,
    part: _Part,
    within: Float[np.ndarray, " k"],
    inside: Float[np.ndarray, "k d"],
    values: Float[np.ndarray, " n"],
) -> None:
    worst = np.abs(values[part.on]).max()
    require(worst <= 1e-6 * subject.size, f"{label} is {worst:.3g} on its part; expected 0.")
    elsewhere, rest = values[part.rest], part.points[part.rest]
    for where, found, points in (("inside", within, inside), ("on the rest of the boundary", elsewhere, rest)):
        wrong = found <= 0
        require(
            not np.any(wrong),
            f"{label} is {found.min(initial=0):.3g} {where}, at {points[wrong][:1].tolist()}; expected a positive number.",
        )


def _away(
    points: Float[np.ndarray, "n d"], others: Float[np.ndarray, "m d"], distance: float
) -> Float[np.ndarray, "k d"]:
    """The points that are farther than that from all others."""
    squares = sum((points[:, None, i] - others[None, :, i]) ** 2 for i in range(points.shape[1]))
    return points[np.min(squares, axis=1) > distance**2]


def check_combined(subject: GeometrySubject, partner: AbstractGeometry | None) -> None:
    """Set operations give the sets that they are named after: their points, measures and boundaries."""
    geometry = subject.geometry
    if not isinstance(geometry, AbstractCombinable):
        return
    _check_refusals(geometry)
    whole = geometry.measure("interior")
    for operation in ("union", "intersection"):
        found = geometry.combined(operation, geometry).measure("interior")
        require(
            math.isclose(found, whole, rel_tol=1e-5),
            f"The {operation} of a geometry with itself has the measure {found:.9g}; expected {whole:.9g}.",
        )
    if partner is not None:
        _check_pair(subject, partner)


def _check_refusals(geometry: AbstractCombinable) -> None:
    cases: list[tuple[SetOperation, Any, type[Exception]]] = [
        ("union", object(), JnoTypeError),
        ("difference", geometry, JnoValueError),
    ]
    for operation, other, error in cases:
        what = "itself" if other is geometry else "an object that is no geometry"
        try:
            geometry.combined(operation, other)
        except error:
            continue
        raise AssertionError(f"The {operation} with {what} raises nothing; expected {error.__name__}.")


def _check_pair(subject: GeometrySubject, partner: AbstractGeometry) -> None:
    geometry = subject.geometry
    assert isinstance(geometry, AbstractCombinable)
    results = {
        "union": (geometry | partner, np.logical_or),
        "intersection": (geometry & partner, np.logical_and),
        "difference": (geometry - partner, lambda a, b: a & ~b),
        "symmetric_difference": (geometry ^ partner, np.logical_xor),
    }
    a, b = geometry.measure("interior"), partner.measure("interior")
    measures = {name: result.measure("interior") for name, (result, _) in results.items()}
    common = measures["intersection"]
    expected = {"union": a + b - common, "difference": a - common, "symmetric_difference": a + b - 2 * common}
    for name, value in expected.items():
        require(
            abs(measures[name] - value) <= 1e-5 * (a + b),
            f"The {name} has the measure {measures[name]:.9g}; the operands have {a:.9g} and {b:.9g} and {common:.9g} in common, "
            f"so that {value:.9g} is expected.",
        )
    points, left = subject.trials
    right = partner.contains(points)
    for name, (result, rule) in results.items():
        wrong = result.contains(points) != rule(left, right)
        require(
            not np.any(wrong),
            f"The {name} contains {wrong.sum()} of {len(points)} points wrongly, such as {points[wrong][:1].tolist()}.",
        )
        _check_boundary(subject, name, result, partner)


def _check_boundary(subject: GeometrySubject, name: str, result: AbstractGeometry, partner: AbstractGeometry) -> None:
    unknown = sorted(result.tags().keys() - subject.geometry.tags().keys() - partner.tags().keys())
    require(not unknown, f"The {name} has the tags {unknown}, which neither operand has.")
    draw = result.sample("boundary", 1000, np.random.default_rng(6))
    assert draw.normals is not None
    step = subject.shift * draw.normals
    wrong = ~result.contains(draw.points - step) | result.contains(draw.points + step)
    require(
        not np.any(wrong),
        f"{wrong.sum()} of 1000 boundary samples of the {name} are not on its boundary with an outward normal, such as "
        f"{draw.points[wrong][:1].tolist()}.",
    )
