"""Checks of geometries."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from jaxtyping import Float

from jno_core._interfaces import AbstractGeometry, Mesh
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError
from jno_core.testing._check import require
from jno_core.testing._classes import ClassSuite, constructed, require_constructible, require_immutable
from jno_core.testing._moments import sample_deviation, simplex_moments

_SAMPLES = 5000
_SHIFT = 1e-6
"""How far points are moved to see whether they leave, relative to the size of the region."""

_STRAIGHT = 1e-9
"""Relative error allowed where the mesh covers the region exactly."""

_CURVED = 0.05
"""Relative error allowed where the mesh approximates a curved boundary."""


class GeometrySuite(ClassSuite):
    """Checks of a geometry: its samples, normals, measures and mesh. Inherit from it to state arguments, or add checks.

    - `plugin`: the class. The instance is `plugin(**arguments)`.
    - `wrong_arguments`: what the constructor must refuse, each time in place of the same one of `arguments`. By
      default NaN for every number among the arguments.
    """

    plugin: ClassVar[type[AbstractGeometry]]
    wrong_arguments: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    def make(self) -> AbstractGeometry:
        """The geometry under test."""
        return constructed(self.plugin, self.arguments)

    def test_constructor(self) -> None:
        """It can be constructed with its defaults or with the stated arguments."""
        require_constructible(self.plugin, self.arguments)
        self.make()

    def test_immutable(self) -> None:
        """It cannot be changed."""
        require_immutable(self.make())

    def test_wrong_arguments(self) -> None:
        """Wrong arguments are refused when it is constructed, and the message names them."""
        self.make()
        wrong = self.wrong_arguments or tuple(
            {name: value} for name, value in _not_a_number(self.plugin, self.arguments)
        )
        if not wrong:
            pytest.skip("no argument is a number; state wrong_arguments")
        for arguments in wrong:
            try:
                self.plugin(**{**self.arguments, **arguments})
            except (JnoValueError, JnoTypeError) as error:
                named = any(name in str(error) for name in arguments)
                require(named, f"The message does not name {', '.join(arguments)}: {error}")
            else:
                raise AssertionError(f"{self.plugin.__qualname__} accepts {arguments}; expected JnoValueError.")

    def test_tags(self) -> None:
        """It has one to three dimensions, and tags for its interior and its boundary."""
        geometry = self.make()
        require(geometry.dimension in (1, 2, 3), f"The dimension is {geometry.dimension!r}; expected 1, 2 or 3.")
        tags = geometry.tags()
        kinds = set(tags.values()) <= {"interior", "boundary"}
        whole = tags.get("interior") == "interior" and tags.get("boundary") == "boundary"
        require(kinds and whole, f"The tags are {tags}; expected 'interior' and 'boundary', each of its own kind.")

    def test_unknown_tag(self) -> None:
        """An unknown tag raises `JnoKeyError`."""
        geometry = self.make()
        for ask in (geometry.measure, lambda tag: geometry.sample(tag, 1, np.random.default_rng(0))):
            try:
                ask("no_such_tag")
            except JnoKeyError:
                continue
            raise AssertionError("An unknown tag raises nothing; expected JnoKeyError.")

    def test_samples(self) -> None:
        """Samples are float64 `(n, d)`, lie in the region, and on its boundary where they should; far points do not."""
        geometry = self.make()
        shift = _SHIFT * _size(geometry)
        for tag, kind in geometry.tags().items():
            points = _sampled(geometry, tag)
            shape = (_SAMPLES, geometry.dimension)
            found = f"{points.dtype} {points.shape}"
            require(
                points.shape == shape and points.dtype == np.float64, f"{tag!r} gave {found}; expected float64 {shape}."
            )
            outside = np.sum(~geometry.contains(points))
            require(outside == 0, f"{outside} of {_SAMPLES} samples of {tag!r} lie outside of the region.")
            if kind == "boundary":
                steps = shift * np.concatenate([np.eye(geometry.dimension), -np.eye(geometry.dimension)])
                leaves = np.any([~geometry.contains(points + step) for step in steps], axis=0)
                require(np.all(leaves), f"{np.sum(~leaves)} of {_SAMPLES} samples of {tag!r} lie inside of the region.")
        far = _sampled(geometry, "interior") + 10 * _size(geometry)
        require(not np.any(geometry.contains(far)), "Points far away count as contained.")

    def test_normals(self) -> None:
        """Samples of boundaries have outward unit normals; samples of interiors have none."""
        geometry = self.make()
        shift = _SHIFT * _size(geometry)
        for tag, kind in geometry.tags().items():
            draw = geometry.sample(tag, _SAMPLES, np.random.default_rng(1))
            if kind == "interior":
                require(draw.normals is None, f"Samples of the interior {tag!r} have normals; expected None.")
                continue
            normals = draw.normals
            require(
                normals is not None and normals.shape == draw.points.shape, f"{tag!r} lacks normals of shape (n, d)."
            )
            assert normals is not None
            lengths = np.linalg.norm(normals, axis=1)
            require(np.allclose(lengths, 1, atol=1e-9), f"Normals of {tag!r} have lengths up to {lengths.max():.3g}.")
            stays = geometry.contains(draw.points - shift * normals)
            leaves = ~geometry.contains(draw.points + shift * normals)
            wrong = np.sum(~(stays & leaves))
            require(wrong == 0, f"{wrong} of {_SAMPLES} normals of {tag!r} do not point out of the region.")

    def test_reproducible(self) -> None:
        """The generator alone decides the samples."""
        geometry = self.make()
        for tag in geometry.tags():
            first, again, other = (_sampled(geometry, tag, seed) for seed in (1, 1, 2))
            require(np.array_equal(first, again), f"The same generator gave other samples of {tag!r}.")
            one_point = geometry.dimension == 1 and geometry.tags()[tag] == "boundary"
            require(one_point or not np.array_equal(first, other), f"Two generators gave the same samples of {tag!r}.")

    def test_mesh_repeatable(self) -> None:
        """The mesh is the same each time."""
        geometry = self.make()
        first, second = _mesh(geometry), _mesh(geometry)
        equal = np.array_equal(first.points, second.points) and np.array_equal(first.cells, second.cells)
        require(equal, "Two calls of mesh() gave different meshes.")

    def test_mesh_tags(self) -> None:
        """The mesh has all tags, and its boundary is closed around its cells."""
        geometry = self.make()
        mesh = _mesh(geometry)
        missing = sorted(geometry.tags().keys() - dict(_meshed_tags(geometry, mesh)).keys())
        require(not missing, f"The mesh lacks the tags {missing}.")
        # The divergence theorem for F = e_i and F = x_i e_j: exact on a mesh, and false when a facet is missing.
        weighted = mesh.facet_normals("boundary") * mesh.facet_measures("boundary")[:, None]
        middles = mesh.points[mesh.facets["boundary"]].mean(axis=1)
        expected = mesh.cell_measures().sum() * np.eye(mesh.dimension)
        closed = np.allclose(weighted.sum(axis=0), 0, atol=1e-9 * np.abs(weighted).sum())
        balanced = np.allclose(middles.T @ weighted, expected, atol=1e-9 * np.abs(expected).max())
        require(
            closed and balanced, "The facets of 'boundary' do not close the mesh: the divergence theorem fails on it."
        )

    def test_mesh_inside(self) -> None:
        """The nodes of the mesh lie in the region."""
        geometry = self.make()
        outside = np.sum(~geometry.contains(_mesh(geometry).points))
        require(outside == 0, f"{outside} nodes of the mesh lie outside of the region.")

    def test_measure(self) -> None:
        """Measures are those of the mesh: exactly where it covers the region exactly, to 5 per cent otherwise."""
        geometry = self.make()
        mesh = _mesh(geometry)
        tolerance = _mesh_error(geometry, mesh)
        for tag, kind in _meshed_tags(geometry, mesh):
            measures = mesh.facet_measures(tag) if kind == "boundary" else mesh.cell_measures()[_cells(mesh, tag)]
            stated, found = geometry.measure(tag), measures.sum()
            close = abs(stated - found) <= tolerance * found
            require(close, f"measure({tag!r}) is {stated:.9g}, while the mesh has {found:.9g}.")

    def test_uniform(self) -> None:
        """Samples are uniform: their first and second moments are those of the mesh, to six standard errors."""
        geometry = self.make()
        mesh = _mesh(geometry)
        for tag, kind in _meshed_tags(geometry, mesh):
            facets = kind == "boundary"
            corners = mesh.points[mesh.facets[tag] if facets else mesh.cells[_cells(mesh, tag)]]
            measures = mesh.facet_measures(tag) if facets else mesh.cell_measures()[_cells(mesh, tag)]
            # About the centre, so that a region far from the origin is measured as sharply.
            centre = mesh.points.mean(axis=0)
            miss, error = sample_deviation(
                _sampled(geometry, tag) - centre, simplex_moments(corners - centre, measures)
            )
            scale = max(_size(geometry), _size(geometry) ** 2)
            allowed = 6 * error + _mesh_error(geometry, mesh) * scale
            require(
                miss <= allowed,
                f"Samples of {tag!r} are not uniform: a moment is off by {miss:.3g}, more than {allowed:.3g}.",
            )


def _not_a_number(plugin: type, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each argument that is a number or a tuple of numbers, with NaN in its place."""
    for name, parameter in inspect.signature(plugin).parameters.items():
        match arguments.get(name, parameter.default):
            case bool():
                continue
            case int() | float():
                yield name, float("nan")
            case tuple() as values if values and all(isinstance(v, int | float) for v in values):
                yield name, (float("nan"),) * len(values)
            case _:
                continue


def _sampled(geometry: AbstractGeometry, tag: str, seed: int = 0) -> Float[np.ndarray, "n d"]:
    return geometry.sample(tag, _SAMPLES, np.random.default_rng(seed)).points


def _size(geometry: AbstractGeometry) -> float:
    return float(np.ptp(_sampled(geometry, "interior"), axis=0).max())


def _mesh(geometry: AbstractGeometry) -> Mesh:
    mesh = geometry.mesh()
    if mesh is None:
        pytest.skip("declared to have no mesh")
    return mesh


def _meshed_tags(geometry: AbstractGeometry, mesh: Mesh) -> list[tuple[str, str]]:
    """The tags that the mesh has, too, with their kinds; `test_mesh_tags` reports the others."""
    present = {"interior", *mesh.facets, *mesh.regions}
    return [(tag, kind) for tag, kind in geometry.tags().items() if tag in present]


def _cells(mesh: Mesh, tag: str) -> Any:
    return slice(None) if tag == "interior" else mesh.regions[tag]


def _mesh_error(geometry: AbstractGeometry, mesh: Mesh) -> float:
    """Whether the middles of all facets are on the boundary tells whether the mesh covers the region exactly."""
    middles = mesh.points[mesh.facets["boundary"]].mean(axis=1)
    moved = middles + _SHIFT * _size(geometry) * mesh.facet_normals("boundary")
    straight = np.all(geometry.contains(middles)) and not np.any(geometry.contains(moved))
    return _STRAIGHT if straight else _CURVED
