"""The domain: tags, point sets and their samples, time, instances, normals, evaluation on other domains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jno
from jno_core._domain import Domain
from jno_core._graph import Variable
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError

CLOUD = np.random.default_rng(0).uniform(0, 1, (20, 2))


def values(domain, nodes, where=None):
    return jno.core([], domain=domain).eval(nodes, domain=where)


@pytest.fixture(scope="module")
def square():
    """A meshed square whose variables no test may draw: domains for drawing are made from it by `1 * square`."""
    return jno.domain.rect(mesh_size=0.25)


# Tags.


def test_a_meshed_domain_has_the_tags_of_its_geometry(square):
    sides = {"left", "right", "bottom", "top", "one", "two", "three", "four"}
    assert set(square.tags) == {"interior", "boundary"} | sides
    assert (square.dimension, square.instances) == (2, 1)
    assert "initial" not in square.tags
    assert "initial" in jno.domain.rect(mesh_size=0.5, time=(0, 1, 2)).tags
    assert repr(square).startswith("Domain(")


def test_a_point_cloud_has_the_tags_it_was_given():
    domain = jno.domain.from_array({"interior": CLOUD, "wall": CLOUD[:3]})
    assert domain.tags == ("interior", "wall")
    assert (domain.mesh, domain.geometry) == (None, None)
    with pytest.raises(JnoValueError, match="points have no cells"):
        jno.domain.from_array({"interior": CLOUD}, compute_mesh_connectivity=True)


def test_unknown_tags_list_what_there_is(square):
    domain = jno.domain.from_array({"interior": CLOUD, "wall": CLOUD[:3]})
    with pytest.raises(JnoValueError, match=r"'wal'.*'interior', 'wall'"):
        domain.variable("wal")
    with pytest.raises(JnoValueError, match="time"):
        (1 * square).variable("initial")


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_variables_are_the_coordinates_and_the_time(dimension):
    points = np.random.default_rng(dimension).random((7, dimension))
    domain = jno.domain.from_array({"interior": points})
    variables = domain.variable("interior")
    assert [repr(v) for v in variables] == [*"xyz"[:dimension], "t"]
    assert all(isinstance(v, Variable) and v.aval.shape == (7, 1) for v in variables)
    *columns, time = values(domain, list(variables))
    for i, column in enumerate(columns):
        np.testing.assert_allclose(column[0, :, 0], points[:, i], rtol=1e-6)
    np.testing.assert_array_equal(time, np.ones((1, 7, 1)))
    assert [repr(v) for v in domain["interior"]] == [repr(v) for v in variables]


def test_points_are_copied_from_the_caller():
    points = CLOUD.astype(np.float32)
    domain = jno.domain.from_array({"interior": points})
    x, _, _ = domain.variable("interior")
    points[:] = 0
    np.testing.assert_allclose(values(domain, x)[0], CLOUD[:, :1], rtol=1e-6)
    domain.points(x)
    np.testing.assert_allclose(domain.points(x), CLOUD, rtol=1e-6)


# Samples.


@pytest.mark.parametrize("sample", [None, (None, None)])
def test_all_points_by_default(square, sample):
    domain = 1 * square
    x, _, _ = domain.variable("interior", sample)
    np.testing.assert_allclose(domain.points(x), square.mesh.points[square.mesh.nodes("interior")], rtol=1e-6)
    assert len(domain.points(x)) == len(square.mesh.points)


def test_nodes_of_a_line_are_complete():
    domain = jno.domain.line(mesh_size=0.1)
    x, _ = domain.variable("interior")
    left, right, ends = (domain.variable(tag)[0] for tag in ("left", "right", "boundary"))
    np.testing.assert_allclose(np.sort(domain.points(x)[:, 0]), np.linspace(0, 1, 11), atol=1e-6)
    assert [domain.points(v).ravel().tolist() for v in (left, right)] == [[0.0], [1.0]]
    assert sorted(domain.points(ends).ravel().tolist()) == [0.0, 1.0]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 20), st.sampled_from(["number", "NumPy number", "pair"]))
def test_a_count_draws_that_many_different_points(n, form):
    domain = jno.domain.from_array({"interior": CLOUD})
    x, _, _ = domain.variable("interior", {"number": n, "NumPy number": np.int64(n), "pair": (n, None)}[form])
    points = domain.points(x)
    assert x.aval.shape == (n, 1)
    cloud = {tuple(p) for p in CLOUD.astype(np.float32)}
    drawn = {tuple(p) for p in points}
    assert len(drawn) == n
    assert drawn <= cloud


def test_a_sampler_names_indices():
    domain = jno.domain.from_array({"interior": CLOUD})
    x, _, _ = domain.variable("interior", (3, lambda points, n: np.argsort(points[:, 0])[:n]))
    np.testing.assert_allclose(domain.points(x)[:, 0], np.sort(CLOUD[:, 0])[:3], rtol=1e-6)


@pytest.mark.parametrize(
    ("sample", "error"),
    [
        (0, JnoValueError),
        (-3, JnoValueError),
        (21, JnoValueError),
        (True, JnoTypeError),
        (2.0, JnoTypeError),
        ("5", JnoTypeError),
        ((1, 2, 3), JnoTypeError),
        ((5, "sobolev"), JnoValueError),
        ((None, "uniform"), JnoValueError),
        ((5, "uniform"), JnoValueError),
        ((3, lambda points, n: np.arange(2)), JnoValueError),
        ((3, lambda points, n: np.array([0, 1, 20])), JnoValueError),
        ((3, lambda points, n: np.array([0.0, 1.0, 2.0])), JnoValueError),
    ],
)
def test_samples_that_cannot_be_drawn(sample, error):
    with pytest.raises(error):
        jno.domain.from_array({"interior": CLOUD}).variable("interior", sample)


def test_uniform_points_lie_anywhere_in_the_region(square):
    domain = 1 * square
    x, _, _ = domain.variable("interior", (500, "uniform"))
    points = domain.points(x)
    assert points.shape == (500, 2)
    nodes = {tuple(p) for p in square.mesh.points.astype(np.float32)}
    assert not nodes & {tuple(p) for p in points}
    # The mean of 500 uniform numbers deviates by 0.013 (one standard deviation).
    np.testing.assert_allclose(points.mean(axis=0), [0.5, 0.5], atol=0.07)
    np.testing.assert_allclose(points.var(axis=0), [1 / 12, 1 / 12], rtol=0.2)


def test_strictly_inside(square):
    domain = 1 * square
    x, _, _ = domain.variable("interior", exclude_boundary=True)
    points = domain.points(x)
    assert np.all((points > 1e-6) & (points < 1 - 1e-6))
    on_boundary = np.any((square.mesh.points < 1e-9) | (square.mesh.points > 1 - 1e-9), axis=1)
    assert len(points) == (~on_boundary).sum()
    with pytest.raises(JnoValueError, match="boundary"):
        domain.variable("boundary", exclude_boundary=True)


# Every call owns its points.


def test_a_later_call_does_not_change_the_points_of_an_earlier_one():
    domain = jno.domain.from_array({"interior": CLOUD})
    x, _, _ = domain.variable("interior", 5)
    before = domain.points(x).copy()
    x2, _, _ = domain.variable("interior", 7)
    np.testing.assert_array_equal(domain.points(x), before)
    assert (x.collocation.name, x2.collocation.name) == ("interior", "interior#2")
    first, second, mean = values(domain, [x, x2, x.mean * x2])
    assert (first.shape, second.shape, mean.shape) == ((1, 5, 1), (1, 7, 1), (1, 7, 1))
    with pytest.raises(JnoValueError, match=r"'interior' \(5 points\).*'interior#2' \(7 points\)"):
        _ = x + x2


def test_samples_follow_from_the_seed_and_the_call_alone(monkeypatch):
    def drawn(calls, seed="1"):
        monkeypatch.setenv("JNO_SEED", seed)
        domain = jno.domain.from_array({"interior": CLOUD, "wall": CLOUD[:9]})
        return [domain.points(domain.variable(tag, n)[0]) for tag, n in calls]

    np.random.seed(0)
    first = drawn([("interior", 6), ("interior", 6), ("wall", 4)])
    np.random.seed(1)
    for a, b in zip(first, drawn([("interior", 6), ("interior", 6), ("wall", 4)]), strict=True):
        np.testing.assert_array_equal(a, b)
    # What is drawn elsewhere does not shift a sample.
    np.testing.assert_array_equal(drawn([("wall", 4), ("interior", 6)])[0], first[2])
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(drawn([("interior", 6)], seed="2")[0], first[0])


def test_sampling_leaves_the_global_generator_alone():
    state = np.random.get_state()[1].copy()
    jno.domain.from_array({"interior": CLOUD}).variable("interior", 5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


# Instances.


def test_instances_make_an_independent_domain():
    single = jno.domain.from_array({"interior": CLOUD}, time=(0.0, 1.0, 2))
    x, _, _ = single.variable("interior", 5)
    k = np.arange(3.0)
    for triple in (3 * single, single * 3):
        assert isinstance(triple, Domain)
        assert triple is not single
        assert (triple.instances, single.instances) == (3, 1)
        np.testing.assert_array_equal(triple.times, single.times)
        x3, _, _ = triple.variable("interior", 7)
        triple.variable("k", k, per="instance")
        assert single.points(x).shape == (5, 2)
        assert not single.attached()
    assert (2 * (3 * single)).instances == 6
    with pytest.raises(JnoKeyError):
        single.points(x3)


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "2", None])
def test_the_number_of_instances_is_a_positive_integer(n):
    with pytest.raises(JnoValueError, match="positive integer"):
        n * jno.domain.from_array({"interior": CLOUD})


def test_instances_share_their_points_or_draw_their_own():
    domain = 3 * jno.domain.from_array({"interior": CLOUD})
    x, _, _ = domain.variable("interior", 6)
    own, y, _ = domain.variable("interior", 6, same_points=False)
    assert (domain.points(x).shape, domain.points(own).shape) == ((6, 2), (3, 6, 2))
    assert len({p.tobytes() for p in domain.points(own)}) == 3
    shared, separate, both = values(domain, [x, own, x.mean + own * y])
    assert (shared.shape, separate.shape, both.shape) == ((1, 6, 1), (3, 6, 1), (3, 6, 1))
    expected = domain.points(own).prod(-1, keepdims=True) + domain.points(x)[:, 0].mean()
    np.testing.assert_allclose(both, expected, rtol=1e-5)


# Time.


def test_time_steps():
    domain = jno.domain.from_array({"interior": CLOUD[:4]}, time=(0.5, 2.0, 4))
    np.testing.assert_allclose(domain.times, [0.5, 1.0, 1.5, 2.0])
    x, y, t = domain.variable("interior")
    time, field, first = *values(domain, [t, x * t]), jno.core([], domain=domain).eval(t, min_consecutive=1)
    np.testing.assert_allclose(time, np.broadcast_to(domain.times[None, :, None, None], (1, 4, 4, 1)), rtol=1e-6)
    np.testing.assert_allclose(field, CLOUD[None, None, :4, :1] * domain.times[None, :, None, None], rtol=1e-6)
    np.testing.assert_allclose(first, np.full((1, 4, 1), 0.5))
    del y


def test_initial_points_stand_at_the_first_time():
    domain = jno.domain.rect(mesh_size=0.5, time=(2.0, 3.0, 3))
    x, y, t = domain.variable("initial")
    xi, _, _ = domain.variable("interior")
    np.testing.assert_array_equal(domain.points(x), domain.points(xi))
    time, moving = values(domain, [t + 0 * x * y, xi])
    np.testing.assert_allclose(time, np.full((1, x.aval.shape[0], 1), 2.0))
    assert moving.shape[:2] == (1, 3)


@pytest.mark.parametrize(
    "time", [(0, 1), (1, 0, 3), (0, 0, 2), (0, 1, 0), (0, 1, 2.0), (0, np.inf, 3), 5, "t"], ids=repr
)
def test_time_axes_that_cannot_be(time):
    with pytest.raises((JnoValueError, JnoTypeError), match="time"):
        jno.domain.from_array({"interior": CLOUD}, time=time)


def test_a_steady_domain_has_no_rate_of_change():
    domain = jno.domain.from_array({"interior": CLOUD})
    x, _, t = domain.variable("interior")
    np.testing.assert_array_equal(domain.times, [1.0])
    with pytest.raises(JnoValueError, match=r"steady.*time="):
        (x * t).d(t)


# Normals.


def test_normals_are_outward_unit_vectors(square):
    domain = 1 * square
    x, y, _, nx, ny = domain.variable("boundary", normals=True, split=True)
    n = domain.variable("boundary", normals=True)
    inward = domain.variable("boundary", normals=True, reverse_normals=True)
    again = domain.variable("boundary", normals=True)
    assert [repr(v) for v in (nx, ny, n)] == ["n_x", "n_y", "n"]
    assert n.aval.shape == (x.aval.shape[0], 2)
    nx, ny, n, inward, again = (v[0] for v in values(domain, [nx, ny, n, inward, again]))
    np.testing.assert_array_equal(np.concatenate([nx, ny], -1), n)
    np.testing.assert_array_equal(inward, -n)
    np.testing.assert_array_equal(again, n)
    np.testing.assert_allclose(np.linalg.norm(n, axis=1), 1, rtol=1e-6)
    points = domain.points(x)
    sides = ~np.all((points < 1e-6) | (points > 1 - 1e-6), axis=1)
    exact = np.where(points < 1e-6, -1.0, np.where(points > 1 - 1e-6, 1.0, 0.0))
    np.testing.assert_allclose(n[sides], exact[sides], atol=1e-6)
    np.testing.assert_allclose(n[~sides], exact[~sides] / np.sqrt(2), atol=1e-6)
    del y


def test_normal_derivative(square):
    domain = 1 * square
    x, y, _, _, _ = domain.variable("right", normals=True, split=True)
    n = Variable(x.collocation, "normal", (0, 2))
    slope = ((x**3 + 5 * y) * y).d(n)
    assert slope.aval.shape == x.aval.shape
    np.testing.assert_allclose(values(domain, slope)[0], 3 * domain.points(y)[:, 1:], rtol=1e-5, atol=1e-5)


def test_normals_exist_on_boundaries_only(square):
    for domain in (1 * square, jno.domain.from_array({"interior": CLOUD})):
        with pytest.raises(JnoValueError, match="normals"):
            domain.variable("interior", normals=True)


def test_the_divergence_theorem_holds_for_linear_fields(square):
    mesh = square.mesh
    facets = mesh.facets["boundary"]
    lengths = np.linalg.norm(np.diff(mesh.points[facets], axis=1)[:, 0], axis=1)
    tangents = np.diff(mesh.points[facets], axis=1)[:, 0]
    normals = np.stack([tangents[:, 1], -tangents[:, 0]], 1) / lengths[:, None]
    middle = mesh.points[facets].mean(axis=1)
    outward = np.sign(np.sum(normals * (middle - 0.5), axis=1))[:, None] * normals
    flux = np.sum(lengths * np.sum(outward * (middle @ np.array([[1.0, 2.0], [3.0, 4.0]])), axis=1))
    np.testing.assert_allclose(flux, 5.0, rtol=1e-12)


# Evaluation on another domain.


def test_another_domain_is_matched_by_tag_and_unchanged():
    train = jno.domain.from_array({"interior": CLOUD, "wall": CLOUD[:3]})
    x, y, _ = train.variable("interior", 5)
    other = jno.domain.from_array({"interior": CLOUD[:8] + 1, "wall": CLOUD[:2]})
    drawn = values(train, x * y, other)
    np.testing.assert_allclose(drawn[0, :, 0], (CLOUD[:8] + 1).prod(axis=1), rtol=1e-5)
    assert other.variable("interior", 3)[0].collocation.name == "interior"
    assert values(train, x * y, other).shape == (1, 3, 1)
    with pytest.raises(JnoKeyError, match="'interior'"):
        values(train, x, jno.domain.from_array({"wall": CLOUD}))


def test_reversed_normals_stay_reversed_on_another_domain(square):
    train = 1 * square
    inward = train.variable("right", normals=True, reverse_normals=True)
    finer = jno.domain.rect(mesh_size=0.1)
    value = values(train, inward, finer)[0]
    np.testing.assert_allclose(value[1:-1], np.broadcast_to([-1.0, 0.0], value[1:-1].shape), atol=1e-6)
    finer.variable("right", normals=True)
    np.testing.assert_allclose(values(train, inward, finer)[0], value)


def test_points_follow_the_default_float():
    with jax.enable_x64(True):
        domain = jno.domain.from_array({"interior": CLOUD})
        x, _, t = domain.variable("interior")
        assert (x.aval.dtype, t.aval.dtype) == (jnp.float64, jnp.float64)
        np.testing.assert_array_equal(values(domain, x)[0], CLOUD[:, :1])
