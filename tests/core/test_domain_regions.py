"""Further parts, pairs, instances and other domains: what a domain does with its regions."""

import dataclasses

import numpy as np
import pytest

import jno
from jno_core import AbstractCombinable, AbstractDistance, AbstractGeometry, AbstractRemeshable, Mesh, PointDraw
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError, PluginCapabilityError
from jno_core.testing._point_sets import cube_mesh


@dataclasses.dataclass(frozen=True)
class Ball(AbstractGeometry, AbstractCombinable, AbstractRemeshable, AbstractDistance):
    """A disk that keeps a note of what was asked of it."""

    radius: float = 1.0
    size: float | None = None
    history: tuple = ()

    @property
    def dimension(self):
        return 2

    def tags(self):
        return {"interior": "interior", "boundary": "boundary"}

    def mesh(self):
        if self.size is None:
            return None
        n = max(round(6 / self.size), 4)
        turns = 2 * np.pi * np.arange(n) / n
        points = np.vstack([np.zeros(2), self.radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)])
        around = 1 + np.arange(n)
        return Mesh.from_cells(points, np.stack([np.zeros(n, int), around, 1 + around % n], axis=1))

    def sample(self, tag, n, rng):
        turns = 2 * np.pi * rng.random(n)
        normals = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        if tag == "interior":
            return PointDraw(self.radius * np.sqrt(rng.random((n, 1))) * normals)
        return PointDraw(self.radius * normals, normals)

    def contains(self, points):
        return np.linalg.norm(points, axis=1) <= self.radius

    def measure(self, tag):
        return np.pi * self.radius**2 if tag == "interior" else 2 * np.pi * self.radius

    def combined(self, operation, other):
        return dataclasses.replace(self, history=(*self.history, (operation, other.radius)))

    def remeshed(self, mesh_size, **options):
        return dataclasses.replace(self, size=mesh_size, history=(*self.history, options))

    def bounds(self):
        return self.radius * np.array([[-1.0, -1.0], [1.0, 1.0]])

    def signed_distance(self, points):
        return np.linalg.norm(points, axis=1) - self.radius

    def smooth_distance(self, tag):
        raise PluginCapabilityError("not here")

    bubble = smooth_distance


def square(n=6):
    return jno.domain(cube_mesh(2, n))


# Regions of a mesh.


def test_a_predicate_names_a_part_of_the_boundary():
    domain = square()
    assert domain.region("inlet", lambda x, y: x < 1e-9) is domain
    x, y, _ = domain.variable("inlet")
    points = domain.points(x)
    assert points.shape == (7, 2)
    np.testing.assert_array_equal(points[:, 0], 0)
    normals = domain.variable("inlet", normals=True)
    np.testing.assert_allclose(jno.core([y.mse], domain=domain).eval(normals)[0], np.tile([-1.0, 0.0], (7, 1)))
    # The length of the side, by an integral over the facets.
    np.testing.assert_allclose(jno.core([y.mse], domain=domain).eval((0 * x + 1).integrate())[0], 1.0, rtol=1e-6)


def test_a_predicate_names_cells():
    domain = square().region("left half", lambda x, y: x < 0.5, kind="interior")
    x, *_ = domain.variable("left half")
    assert domain.points(x)[:, 0].max() == 0.5
    area = (0 * x + 1).integrate()
    np.testing.assert_allclose(jno.core([x.mse], domain=domain).eval(area)[0], 0.5, rtol=1e-6)


def test_another_name_for_a_tag():
    domain = square().region("wall", "boundary")
    assert len(domain.points(domain.variable("wall")[0])) == 24


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("", "boundary"), JnoTypeError, "name"),
        (("a", "nowhere"), JnoValueError, "'nowhere'"),
        (("a", lambda x, y: x > 2), JnoValueError, "no facet"),
        (("a", lambda x: x > 2), JnoTypeError, "takes 2 coordinates"),
        (("a", 3.0), JnoTypeError, "predicate"),
        (("a", lambda x, y: True, "side"), JnoValueError, "kind"),
    ],
)
def test_regions_that_cannot_be(arguments, error, words):
    name, where, *kind = arguments
    with pytest.raises(error, match=words):
        square().region(name, where, kind=kind[0] if kind else None)


def test_points_have_no_regions():
    domain = jno.domain.from_array({"interior": np.zeros((3, 2))})
    with pytest.raises(JnoValueError, match="needs a mesh"):
        domain.region("a", lambda x, y: True)
    with pytest.raises(PluginCapabilityError, match="boundary segments"):
        domain.add_boundary_segments("a", [[(0, 0), (1, 0)]])


# Meshes on demand.


def test_a_lazy_geometry_draws_points_and_is_meshed_when_asked():
    domain = jno.domain(Ball(2.0))
    assert domain.mesh is None
    before = domain.variable("interior", (50, None))[0]
    kept = domain.points(before)
    with pytest.raises(JnoValueError, match="give a count"):
        domain.variable("interior")
    assert domain.build_mesh(0.5) is domain
    assert domain.mesh is not None
    np.testing.assert_array_equal(domain.points(before), kept)
    assert len(domain.points(domain.variable("interior")[0])) == 13
    first = domain.mesh
    domain.build_mesh(0.25)
    assert len(domain.mesh.points) > len(first.points)


def test_integrals_follow_the_mesh():
    domain = jno.domain(Ball(1.0)).build_mesh(1.0)
    x, *_ = domain.variable("interior", (5, None))
    area = (0 * x + 1).integrate()
    coarse = jno.core([x.mse], domain=domain).eval(area)[0]
    domain.build_mesh(0.02)
    fine = jno.core([x.mse], domain=domain).eval((0 * x + 1).integrate())[0]
    assert abs(fine - np.pi) < abs(coarse - np.pi) / 100


def test_given_points_are_not_meshed():
    with pytest.raises(PluginCapabilityError, match="meshed in another size"):
        square().build_mesh(0.1)


def test_connectivity():
    domain = square(4)
    found = domain.mesh_connectivity
    assert found["dimension"] == 2
    assert found["n_points"] == 25
    assert found["triangles"].shape == (32, 3)
    assert found["nodal_volumes"].sum() == pytest.approx(1)
    assert found["nodal_ds"].sum() == pytest.approx(4)
    assert len(found["boundary_indices"]) == len(found["boundary_edges"]) == 16
    np.testing.assert_array_equal(found["boundary_points"], found["points"][found["boundary_indices"]])
    assert np.all(np.any((found["boundary_points"] == 0) | (found["boundary_points"] == 1), axis=1))
    edges = {tuple(sorted(e)) for c in found["triangles"] for e in ((c[0], c[1]), (c[1], c[2]), (c[2], c[0]))}
    for node, around in enumerate(found["neighbors"]):
        assert sorted(around) == sorted({a if b == node else b for a, b in edges if node in (a, b)})
    with pytest.raises(JnoValueError, match="no mesh"):
        _ = jno.domain(Ball()).mesh_connectivity


# Sequences.


@pytest.mark.parametrize("sequence", ["sobol", "halton", "latin_hypercube"])
@pytest.mark.parametrize("n", [1, 100, 777])
def test_sequences_fill_the_interior(sequence, n):
    domain = jno.domain(Ball(2.0))
    points = domain.points(domain.variable("interior", (n, sequence))[0])
    assert points.shape == (n, 2)
    assert np.all(np.linalg.norm(points, axis=1) <= 2 + 1e-6)
    again = jno.domain(Ball(2.0))
    np.testing.assert_array_equal(points, again.points(again.variable("interior", (n, sequence))[0]))


def test_sobol_points_are_more_even_than_random_ones():
    domain = jno.domain(Ball(1.0))

    def error(sampler):
        errors = []
        for _ in range(8):
            points = domain.points(domain.variable("interior", (2000, sampler))[0])
            errors.append(np.mean(points[:, 0] ** 2) - 0.25)
        return np.sqrt(np.mean(np.square(errors)))

    assert error("sobol") < error("uniform") / 3


def test_sequences_are_for_interiors():
    with pytest.raises(JnoValueError, match="interior of a geometry"):
        jno.domain(Ball()).variable("boundary", (5, "sobol"))
    with pytest.raises(JnoValueError, match="interior of a geometry"):
        square().variable("interior", (5, "halton"))
    with pytest.raises(JnoValueError, match="Did you mean 'sobol'"):
        square().variable("interior", (5, "sobl"))


def test_uniform_points_of_a_bare_mesh():
    domain = square().region("inlet", lambda x, y: x < 1e-9)
    inside = domain.points(domain.variable("interior", (4000, "uniform"))[0])
    np.testing.assert_allclose(np.mean(inside, axis=0), [0.5, 0.5], atol=0.02)
    np.testing.assert_allclose(np.cov(inside.T), np.eye(2) / 12, atol=0.01)
    x, *_ = domain.variable("inlet", (100, "uniform"))
    np.testing.assert_array_equal(domain.points(x)[:, 0], 0)


# Times.


def test_a_single_time():
    domain = jno.domain(cube_mesh(1, 4), time=(0.0, 1.0, 5))
    x, t = domain.variable("interior", time_value=0.6)
    values = jno.core([x.mse], domain=domain).eval(x + 10 * t)
    np.testing.assert_allclose(np.squeeze(values), np.linspace(0, 1, 5) + 5, rtol=1e-6)
    every = domain.variable("interior")
    assert x.collocation.times == 1
    assert every[0].collocation.times == 5
    # On another domain the same single time is looked for.
    other = domain.copy((0.0, 2.0, 3))
    values = jno.core([x.mse], domain=domain).eval(x + 10 * t, domain=other)
    np.testing.assert_allclose(np.squeeze(values), np.linspace(0, 1, 5) + 10, rtol=1e-6)
    with pytest.raises(JnoValueError, match="time axis"):
        square().variable("interior", time_value=0.5)


def test_copies_take_other_times():
    domain = 3 * jno.domain(Ball(2.0), time=(0.0, 1.0, 5))
    other = jno.domain(domain, time=(0.0, 2.0, 3))
    assert other.instances == 3
    assert other.geometry is domain.geometry
    np.testing.assert_array_equal(other.times, [0, 1, 2])
    np.testing.assert_array_equal(jno.domain(domain).times, domain.times)


# Nodes and pairs.


def test_indices_of_nodes():
    domain = square()
    x, y, t, nodes = domain.variable("boundary", (7, None), return_indices=True)
    assert nodes.shape == (7,)
    np.testing.assert_allclose(domain.points(x), domain.mesh.points[nodes], atol=1e-7)
    del y, t
    with pytest.raises(JnoValueError, match="return_indices"):
        jno.domain(Ball()).variable("interior", 4, return_indices=True)


@pytest.mark.parametrize("sample", [None, 4])
def test_periodic_pairs_of_nodes(sample):
    domain = square().region("left", lambda x, y: x < 1e-9).region("right", lambda x, y: x > 1 - 1e-9)
    (x0, y0, _), (x1, y1, _) = domain.periodic("left", "right", sample)
    a, b = domain.points(x0), domain.points(x1)
    np.testing.assert_array_equal(a[:, 1], b[:, 1])
    np.testing.assert_array_equal(b - a, np.tile([1.0, 0.0], (len(a), 1)))
    assert len(a) == (sample or 7)
    f = jno.np.cos(2 * jno.np.pi * x0) * y0 - jno.np.cos(2 * jno.np.pi * x1) * y1
    np.testing.assert_allclose(jno.core([f.mse], domain=domain).eval(f)[0], 0, atol=1e-6)


def test_periodic_pairs_without_a_partner():
    domain = square().region("left", lambda x, y: x < 1e-9).region("part", lambda x, y: x > 1 - 1e-9 and y < 0.5)
    with pytest.raises(JnoValueError, match="are not those of 'part'"):
        domain.periodic("left", "part")
    with pytest.raises(JnoValueError, match="no boundary tag"):
        domain.periodic("interior", "left")
    with pytest.raises(JnoValueError, match="offset"):
        jno.domain(Ball()).periodic("boundary", "boundary", 5)


# Set operations and stacks.


def test_set_operations_ask_the_geometry():
    a, b = jno.domain(Ball(1.0)), jno.domain(Ball(2.0))
    expected = {
        "union": (a | b, a + b),
        "intersection": (a & b,),
        "difference": (a - b,),
        "symmetric_difference": (a ^ b,),
    }
    for operation, results in expected.items():
        for result in (*results, getattr(a, operation)(b)):
            assert result.geometry.history == ((operation, 2.0),)
            assert result.mesh is None


def test_set_operations_that_cannot_be():
    with pytest.raises(PluginCapabilityError, match="set operations"):
        _ = square() | jno.domain(Ball())
    with pytest.raises(JnoTypeError, match="geometries"):
        _ = jno.domain(Ball()) | square()
    with pytest.raises(JnoTypeError, match="two domains"):
        _ = jno.domain(Ball()) | 3
    with pytest.raises(JnoValueError, match="times"):
        _ = jno.domain(Ball(), time=(0.0, 1.0, 3)) | jno.domain(Ball())


def test_a_stack_draws_points_for_each_instance():
    domain = jno.domain.stack(3 * jno.domain(Ball(1.0)), 2 * jno.domain(Ball(5.0)), n_interior=40, n_boundary=16)
    assert domain.instances == 5
    inside, edge = domain.variable("interior"), domain.variable("boundary")
    points, around = domain.points(inside[0]), domain.points(edge[0])
    assert points.shape == (5, 40, 2)
    assert around.shape == (5, 16, 2)
    np.testing.assert_allclose(
        np.linalg.norm(around, axis=2), np.repeat([1.0, 5.0], [3, 2])[:, None] * np.ones(16), rtol=1e-6
    )
    assert np.linalg.norm(points[:3], axis=2).max() < 1 < 2 < np.linalg.norm(points[3:], axis=2).max()
    assert len({tuple(p[0]) for p in points}) == 5
    normals = domain.variable("boundary", normals=True)
    assert normals.aval.shape == (16, 2)
    values = jno.core([inside[0].mse], domain=domain).eval(inside[0])
    np.testing.assert_allclose(np.squeeze(values), points[..., 0])
    fewer = domain.variable("interior", 10)[0]
    assert domain.points(fewer).shape == (5, 10, 2)


def test_stacks_that_cannot_be():
    with pytest.raises(JnoTypeError, match="takes domains"):
        jno.domain.stack(Ball())
    with pytest.raises(JnoTypeError, match="takes domains"):
        jno.domain.stack()
    with pytest.raises(JnoTypeError, match="no geometry"):
        jno.domain.stack(square())
    with pytest.raises(JnoValueError, match="same times"):
        jno.domain.stack(jno.domain(Ball()), jno.domain(Ball(), time=(0.0, 1.0, 3)))


# Candidates.


def test_candidates_are_fresh_and_many():
    domain = jno.domain(Ball(2.0))
    points, normals = domain.draw_candidates("interior")
    assert points.shape == (1000, 2)
    assert normals is None
    domain.variable("boundary", (150, None))
    points, normals = domain.draw_candidates("boundary")
    assert points.shape == normals.shape == (1500, 2)
    assert not np.array_equal(points, domain.draw_candidates("boundary")[0])
    with pytest.raises(JnoKeyError, match="'edge'"):
        domain.draw_candidates("edge")
