"""Checks of the meshes of geometries, and of what they say of measures."""

import math

import numpy as np
from jaxtyping import Int

from jno_core._interfaces import AbstractGeometry, AbstractRemeshable, Mesh
from jno_core.errors import JnoError
from jno_core.testing._check import require
from jno_core.testing._geometry_subject import SAMPLES, GeometrySubject, stays_inside


def check_tags(subject: GeometrySubject) -> None:
    """The mesh has all tags, and `boundary` is the sides that belong to one cell only."""
    geometry, mesh = subject.geometry, subject.mesh
    missing = sorted(geometry.tags().keys() - dict(subject.meshed_tags()).keys())
    require(not missing, f"The mesh lacks the tags {missing}.")
    facets = {tag: {tuple(row) for row in np.sort(facets, axis=1)} for tag, facets in mesh.facets.items()}
    expected = _free_sides(mesh)
    lost, added = expected - facets["boundary"], facets["boundary"] - expected
    require(
        not lost and not added,
        f"'boundary' of the mesh lacks {len(lost)} facets and has {len(added)} too many{_place(mesh, lost or added)}; "
        f"expected the {len(expected)} sides that belong to one cell only.",
    )
    require(
        len(facets["boundary"]) == len(mesh.facets["boundary"]),
        "'boundary' of the mesh has the same facet more than once.",
    )
    for tag in facets.keys() - set(subject.inner):
        stray = facets[tag] - facets["boundary"]
        require(not stray, f"{len(stray)} facets of {tag!r} are not in 'boundary'{_place(mesh, stray)}.")
    _check_divergence(mesh)


def _check_divergence(mesh: Mesh) -> None:
    """The divergence theorem for `F = e_i` and `F = x_i e_j`: exact on a mesh that is closed and does not overlap."""
    weighted = mesh.facet_normals("boundary") * mesh.facet_measures("boundary")[:, None]
    middles = mesh.points[mesh.facets["boundary"]].mean(axis=1)
    middles = middles - mesh.points.mean(axis=0)
    expected = mesh.cell_measures().sum() * np.eye(mesh.dimension)
    closed = np.allclose(weighted.sum(axis=0), 0, atol=1e-9 * np.abs(weighted).sum())
    balanced = np.allclose(middles.T @ weighted, expected, atol=1e-9 * np.abs(expected).max())
    require(closed and balanced, "The facets of 'boundary' do not close the mesh: the divergence theorem fails on it.")


def check_inside(subject: GeometrySubject) -> None:
    """The nodes of the mesh lie in the region, and those of its boundary on the boundary."""
    geometry, mesh = subject.geometry, subject.mesh
    outside = np.flatnonzero(~geometry.contains(mesh.points))
    require(
        not len(outside),
        f"{len(outside)} nodes of the mesh lie outside of the region, such as {mesh.points[outside[:1]].tolist()}.",
    )
    for tag in subject.outer_tags():
        if tag in mesh.facets:
            nodes = mesh.points[mesh.nodes(tag)]
            inside = stays_inside(geometry, nodes, subject.shift)
            require(
                not len(inside),
                f"{len(inside)} of {len(nodes)} nodes of {tag!r} lie inside of the region, such as {nodes[inside[:1]].tolist()}.",
            )


def check_measure(subject: GeometrySubject) -> None:
    """Measures are those found by counting points, by the divergence theorem and by the mesh."""
    geometry = subject.geometry
    stated = {tag: geometry.measure(tag) for tag in geometry.tags()}
    for tag, value in stated.items():
        require(math.isfinite(value) and value > 0, f"measure({tag!r}) is {value!r}; expected a positive number.")
    if "interior" in stated:
        found, error = subject.monte_carlo_measure
        require(
            abs(stated["interior"] - found) <= error,
            f"measure('interior') is {stated['interior']:.6g}, while counting points gives {found:.6g} to {error:.2g}.",
        )
    if subject.mesh_or_none is not None:
        for tag, kind in subject.meshed_tags():
            meshed = float(subject.simplices(tag, kind)[1].sum())
            require(
                abs(stated[tag] - meshed) <= subject.mesh_error * meshed,
                f"measure({tag!r}) is {stated[tag]:.9g}, while the mesh has {meshed:.9g}; allowed is a relative "
                f"difference of {subject.mesh_error:g}.",
            )
    _check_flux(subject, stated)


def _check_flux(subject: GeometrySubject, stated: dict[str, float]) -> None:
    """The flux of `x / d` through the boundary is the measure of the interior. `test_normals` judges the direction."""
    geometry = subject.geometry
    if not {"interior", "boundary"} <= stated.keys():
        return
    draw = geometry.sample("boundary", SAMPLES, np.random.default_rng(1))
    if draw.normals is None:
        return
    flux = np.sum((draw.points - subject.box.mean(axis=0)) * draw.normals, axis=1) / geometry.dimension
    found = abs(float(flux.mean())) * stated["boundary"]
    error = (6 * flux.std() / len(flux) ** 0.5 + 1e-9 * np.abs(flux).max()) * stated["boundary"]
    require(
        abs(found - stated["interior"]) <= error,
        f"The samples of 'boundary' with measure('boundary') = {stated['boundary']:.6g} enclose {found:.6g} to {error:.2g}, "
        f"by the divergence theorem; measure('interior') is {stated['interior']:.6g}.",
    )


def check_remeshed(subject: GeometrySubject) -> None:
    """A smaller mesh size gives more nodes, the same parts and the same region; what was asked is not changed."""
    geometry = subject.geometry
    if not isinstance(geometry, AbstractRemeshable):
        return
    before = geometry.mesh()
    sizes = [subject.size / 4, subject.size / 8]
    coarse, fine = (geometry.remeshed(size) for size in sizes)
    meshes = [_meshed(remeshed) for remeshed in (coarse, fine)]
    nodes = [len(mesh.points) for mesh in meshes]
    require(
        nodes[0] < nodes[1],
        f"remeshed({sizes[0]:.3g}) has {nodes[0]} nodes and remeshed({sizes[1]:.3g}) {nodes[1]}; expected more.",
    )
    for size, remeshed, mesh in zip(sizes, (coarse, fine), meshes, strict=True):
        require(
            remeshed.tags() == geometry.tags(),
            f"remeshed({size:.3g}) has the tags {remeshed.tags()}; expected {geometry.tags()}.",
        )
        missing = sorted(tag for tag in geometry.tags() if tag not in {"interior", *mesh.facets, *mesh.regions})
        require(not missing, f"The mesh of remeshed({size:.3g}) lacks the tags {missing}.")
        require(
            math.isclose(remeshed.measure("interior"), geometry.measure("interior"), rel_tol=1e-9),
            f"remeshed({size:.3g}) changes measure('interior').",
        )
    after = geometry.mesh()
    same = (before is None) == (after is None) and (
        before is None or after is None or np.array_equal(before.points, after.points)
    )
    require(same, "remeshed(...) changes the mesh of the geometry that it is asked of; expected a new geometry.")
    for wrong in (0.0, -1.0, math.nan):
        try:
            geometry.remeshed(wrong)
        except JnoError:
            continue
        raise AssertionError(f"remeshed({wrong}) raises nothing; expected JnoValueError.")


def _meshed(geometry: object) -> Mesh:
    require(isinstance(geometry, AbstractGeometry), f"remeshed(...) gave {geometry!r}; expected a geometry.")
    assert isinstance(geometry, AbstractGeometry)
    mesh = geometry.mesh()
    require(mesh is not None, "remeshed(...) gave a geometry without a mesh.")
    assert mesh is not None
    return mesh


def _free_sides(mesh: Mesh) -> set[tuple[int, ...]]:
    sides = np.concatenate([np.delete(mesh.cells, i, axis=1) for i in range(mesh.cells.shape[1])])
    rows, counts = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
    return {tuple(row) for row in rows[counts == 1]}


def _place(mesh: Mesh, facets: set[tuple[int, ...]]) -> str:
    if not facets:
        return ""
    nodes: Int[np.ndarray, " d"] = np.array(min(facets))
    return f", such as the one at {mesh.points[nodes].mean(axis=0).round(6).tolist()}"
