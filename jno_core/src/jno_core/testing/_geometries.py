"""Checks of geometries."""

import functools
import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from jno_core._interfaces import AbstractGeometry, RegionKind
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError
from jno_core.testing._check import require
from jno_core.testing._classes import ClassSuite, constructed, require_constructible, require_immutable
from jno_core.testing._geometry_capabilities import check_combined, check_signed_distance, check_smooth
from jno_core.testing._geometry_meshes import (
    check_inside,
    check_measure,
    check_remeshed,
    check_tags,
)
from jno_core.testing._geometry_samples import check_normals, check_samples, check_uniform
from jno_core.testing._geometry_subject import GeometrySubject


class GeometrySuite(ClassSuite):
    """Checks of a geometry: its samples, normals, measures, mesh, and what else it can do. Inherit from it to state
    arguments, or to add checks.

    - `plugin`: the class. The instance is `plugin(**arguments)`.
    - `geometry`: an instance to check instead, for what operations make of geometries.
    - `wrong_arguments`: what the constructor must refuse, each time in place of the same one of `arguments`. By
      default NaN for every number among the arguments.
    - `partner`: a geometry that overlaps it, to check set operations with. Without one they are checked with itself.
    - `inner`: the boundary tags that run, wholly or in part, through the inside: interfaces between regions.
    - `mesh_tolerance`: the relative error of measures that a mesh may have where it approximates a curved boundary. A
      mesh of a straight boundary has none.
    """

    plugin: ClassVar[type[AbstractGeometry]]
    geometry: ClassVar[AbstractGeometry | None] = None
    wrong_arguments: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    partner: ClassVar[AbstractGeometry | None] = None
    inner: ClassVar[Sequence[str]] = ()
    mesh_tolerance: ClassVar[float] = 0.05

    def make(self) -> AbstractGeometry:
        """The geometry under test."""
        return constructed(self.plugin, self.arguments) if self.geometry is None else self.geometry

    def test_constructor(self) -> None:
        """It can be constructed with its defaults or with the stated arguments."""
        if self.geometry is None:
            require_constructible(self.plugin, self.arguments)
        self.make()

    def test_immutable(self) -> None:
        """It cannot be changed."""
        require_immutable(self.make())

    def test_wrong_arguments(self) -> None:
        """Wrong arguments are refused when it is constructed, and the message names them."""
        self.make()
        if self.geometry is not None:
            pytest.skip("an instance is stated")
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
        """Samples are as many as asked for, float64 `(n, d)`, in the region, and on its boundary where they should be."""
        check_samples(self._subject())

    def test_normals(self) -> None:
        """Samples of boundaries have outward unit normals; samples of interiors have none."""
        check_normals(self._subject())

    def test_reproducible(self) -> None:
        """The generator alone decides the samples."""
        subject = self._subject()
        tags = subject.geometry.tags()
        for tag in tags:
            first, again, other = (subject.points(tag, seed) for seed in (1, 1, 2))
            require(np.array_equal(first, again), f"The same generator gave other samples of {tag!r}.")
            one_point = subject.geometry.dimension == 1 and tags[tag] == "boundary"
            require(one_point or not np.array_equal(first, other), f"Two generators gave the same samples of {tag!r}.")

    def test_global_state(self) -> None:
        """Sampling leaves the global generators of NumPy and of `random` alone."""
        geometry = self.make()
        for tag in geometry.tags():
            before = _global_state()
            geometry.sample(tag, 100, np.random.default_rng(0))
            require(
                before == _global_state(),
                f"Sampling {tag!r} uses a global generator; expected it to use the one that is passed, only.",
            )

    def test_unchanged(self) -> None:
        """What is done with it and with what it returned changes none of its answers."""
        geometry = self.make()
        points = np.concatenate([self._subject().points("interior", n=100), self._subject().trials[0][:100]])
        points.setflags(write=False)
        before = _answers(geometry, points)
        for tag in before[0]:
            draw = geometry.sample(tag, 3, np.random.default_rng(0))
            for array in (draw.points, draw.normals):
                if array is not None and array.flags.writeable:
                    array[...] = np.nan
        geometry.mesh()
        geometry.tags().clear()
        after = _answers(geometry, points)
        for name, old, new in zip(("tags()", "measure()", "contains()"), before, after, strict=True):
            require(old == new, f"After sampling and meshing {name} gives {new!r}; before it gave {old!r}.")

    def test_mesh_repeatable(self) -> None:
        """The mesh is the same each time."""
        first, second = self._subject().mesh, self.make().mesh()
        require(second is not None, "A second call of mesh() gave None.")
        assert second is not None
        equal = np.array_equal(first.points, second.points) and np.array_equal(first.cells, second.cells)
        require(equal, "Two calls of mesh() gave different meshes.")

    def test_mesh_tags(self) -> None:
        """The mesh has all tags, and its boundary is closed around its cells."""
        check_tags(self._subject())

    def test_mesh_inside(self) -> None:
        """The nodes of the mesh lie in the region, and those of its boundary on the boundary."""
        check_inside(self._subject())

    def test_measure(self) -> None:
        """Measures are those found by counting points, by the divergence theorem and by the mesh."""
        check_measure(self._subject())

    def test_uniform(self) -> None:
        """Samples are uniform: their counts in cells, and their moments, are those of the mesh or of rejection."""
        check_uniform(self._subject())

    def test_remeshed(self) -> None:
        """If it is `AbstractRemeshable`: a smaller size gives more nodes, the same parts and the same region."""
        check_remeshed(self._subject())

    def test_signed_distance(self) -> None:
        """If it is `AbstractDistance`: the sign, zero on the boundary, and no growth beyond that of distances."""
        check_signed_distance(self._subject())

    def test_smooth_distance(self) -> None:
        """If it is `AbstractDistance`: zero on the part only, with the normal derivative 1 and finite gradients."""
        check_smooth(self._subject(), "smooth_distance")

    def test_bubble(self) -> None:
        """If it is `AbstractDistance`: zero on the part only, with finite gradients."""
        check_smooth(self._subject(), "bubble")

    def test_set_operations(self) -> None:
        """If it is `AbstractCombinable`: the points, measures and boundaries of what set operations make."""
        check_combined(self._subject(), self.partner)

    def _subject(self) -> GeometrySubject:
        return _subject(type(self))


@functools.lru_cache(maxsize=1)
def _subject(suite: type[GeometrySuite]) -> GeometrySubject:
    """Shared by the checks of a suite, which run one after the other, since meshes are costly."""
    return GeometrySubject(suite().make(), suite.inner, suite.mesh_tolerance)


def _global_state() -> tuple[str, object]:
    """Of the generators of NumPy and of `random`."""
    return repr([np.asarray(part).tolist() for part in np.random.get_state()]), random.getstate()


def _answers(geometry: AbstractGeometry, points: np.ndarray) -> tuple[dict[str, RegionKind], list[float], list[bool]]:
    tags = dict(geometry.tags())
    return tags, [geometry.measure(tag) for tag in tags], geometry.contains(points).tolist()


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
