"""Checks of the samples of geometries."""

import numpy as np
from jaxtyping import Float

from jno_core.testing._check import require
from jno_core.testing._geometry_subject import SAMPLES, GeometrySubject, reference_samples, stays_inside
from jno_core.testing._moments import sample_deviation, simplex_moments
from jno_core.testing._uniformity import cell_deviation


def check_samples(subject: GeometrySubject) -> None:
    """Samples are as many as asked for, float64 `(n, d)`, in the region, and on its boundary where they should be."""
    geometry = subject.geometry
    for tag, kind in geometry.tags().items():
        for n in (0, 1, 7, SAMPLES):
            points = subject.points(tag, n=n)
            found, shape = f"{points.dtype} {points.shape}", (n, geometry.dimension)
            right = points.shape == shape and points.dtype == np.float64
            require(right, f"{n} samples of {tag!r} are {found}; expected float64 {shape}.")
        points = subject.points(tag)
        outside = ~geometry.contains(points)
        require(
            not np.any(outside),
            f"{outside.sum()} of {SAMPLES} samples of {tag!r} lie outside of the region, such as {points[outside][:1].tolist()}.",
        )
        if tag in subject.inner:
            continue
        inside = stays_inside(geometry, points, subject.shift)
        if kind == "boundary":
            where = points[inside[:1]].tolist()
            require(
                not len(inside),
                f"{len(inside)} of {SAMPLES} samples of {tag!r} lie inside of the region, such as {where}.",
            )
        elif kind == "interior":
            require(len(inside) > SAMPLES // 2, f"Samples of the interior {tag!r} lie on the boundary.")
    far = subject.points("interior") + 10 * subject.size
    require(not np.any(geometry.contains(far)), "Points far away count as contained.")


def check_normals(subject: GeometrySubject) -> None:
    """Samples of boundaries have outward unit normals; samples of interiors have none."""
    geometry = subject.geometry
    for tag, kind in geometry.tags().items():
        draw = geometry.sample(tag, SAMPLES, np.random.default_rng(1))
        if kind == "interior":
            require(draw.normals is None, f"Samples of the interior {tag!r} have normals; expected None.")
            continue
        if kind != "boundary":
            continue
        normals = draw.normals
        require(normals is not None and normals.shape == draw.points.shape, f"{tag!r} lacks normals of shape (n, d).")
        assert normals is not None
        lengths = np.linalg.norm(normals, axis=1)
        off = lengths[np.argmax(np.abs(lengths - 1))]
        require(abs(off - 1) <= 1e-9, f"A normal of {tag!r} has the length {off:.9g}; expected 1.")
        if tag in subject.inner:
            continue
        stays = geometry.contains(draw.points - subject.shift * normals)
        leaves = ~geometry.contains(draw.points + subject.shift * normals)
        wrong = ~(stays & leaves)
        require(
            not np.any(wrong),
            f"{wrong.sum()} of {SAMPLES} normals of {tag!r} do not point out of the region, such as "
            f"{normals[wrong][:1].tolist()} at {draw.points[wrong][:1].tolist()}.",
        )
        if tag == "boundary":
            _require_closed(draw.points - subject.box.mean(axis=0), normals)


def check_uniform(subject: GeometrySubject) -> None:
    """Samples are uniform: their counts in cells, and their moments, are those of the mesh or of rejection."""
    for tag, kind in subject.geometry.tags().items():
        reference = reference_samples(subject, tag, kind)
        if reference is None:
            continue
        samples = subject.points(tag)
        found, bound = cell_deviation(samples, reference)
        bound += SAMPLES * subject.curved**2
        require(
            found <= bound,
            f"Samples of {tag!r} are not uniform: chi-square of their counts is {found:.4g}; expected at most {bound:.4g}.",
        )
        if subject.mesh_or_none is None or (tag, kind) not in subject.meshed_tags():
            continue
        # About the centre, so that a region far from the origin is measured as sharply.
        centre = subject.mesh.points.mean(axis=0)
        corners, measures = subject.simplices(tag, kind)
        miss, error = sample_deviation(samples - centre, simplex_moments(corners - centre, measures))
        allowed = 6 * error + subject.mesh_error * max(subject.size, subject.size**2)
        require(
            miss <= allowed,
            f"Samples of {tag!r} are not uniform: a moment is off by {miss:.3g}; expected at most {allowed:.3g}.",
        )


def _require_closed(points: Float[np.ndarray, "n d"], normals: Float[np.ndarray, "n d"]) -> None:
    """Over a closed surface the mean normal is zero, and that of `n x^T` a multiple of the unit matrix."""
    d = points.shape[1]
    products = normals[:, :, None] * points[:, None, :]
    products = products - np.trace(products, axis1=1, axis2=2)[:, None, None] / d * np.eye(d)
    for what, terms in (("n", normals), ("n x^T without its trace", products)):
        mean, error = np.abs(terms.mean(axis=0)), 6 * terms.std(axis=0) / len(terms) ** 0.5
        scale = 1e-9 * np.abs(terms).max()
        require(
            np.all(mean <= error + scale),
            f"The normals of 'boundary' do not close it: the mean of {what} is {mean.max():.3g}; expected 0 to "
            f"{error.max():.2g}.",
        )
