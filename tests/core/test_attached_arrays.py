"""Arrays attached to a domain: what their axes mean is declared."""

import numpy as np
import pytest

import jno
from jno_core._graph import TensorTag
from jno_core.errors import JnoTypeError, JnoValueError

CLOUD = np.random.default_rng(0).uniform(0, 1, (5, 2))
B, N = 3, 5


def problem():
    domain = B * jno.domain.from_array({"interior": CLOUD})
    return domain, domain.variable("interior")[0]


def values(domain, nodes, where=None):
    return jno.core([], domain=domain).eval(nodes, domain=where)


def test_layouts():
    domain, x = problem()
    rng = np.random.default_rng(1)
    cases = {
        "shared": ((4, 2), (4, 2), (1, 4, 2), {}),
        "instance": ((B, 4, 2), (4, 2), (B, 4, 2), {}),
        "point": ((N, 2), (N, 2), (1, N, 2), {"at": x}),
        "instance_point": ((B, N, 2), (N, 2), (B, N, 2), {"at": x}),
    }
    for per, (given, one, whole, options) in cases.items():
        array = rng.random(given).astype(np.float32)
        node = domain.variable(f"k_{per}", array, per=per, **options)
        assert isinstance(node, TensorTag)
        assert (node.aval.shape, node.layout) == (one, per)
        np.testing.assert_array_equal(values(domain, node), array.reshape(whole), err_msg=per)


def test_values_beside_coordinates():
    domain, x = problem()
    k, w, field = np.arange(1.0, B + 1), np.arange(N)[:, None] + 1.0, np.arange(B * N).reshape(B, N, 1) + 1.0
    nodes = [
        domain.variable("k", k, per="instance") * x,
        domain.variable("w", w, per="point", at=x) * x,
        domain.variable("f", field, per="instance_point", at=(x,)) * x,
    ]
    first = CLOUD[None, :, :1]
    for value, expected in zip(
        values(domain, nodes), (k[:, None, None] * first, w[None] * first, field * first), strict=True
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_point_arrays_are_differentiated_as_constants_of_each_point():
    domain, x = problem()
    w = domain.variable("w", np.arange(float(N))[:, None], per="point", at=x)
    slope, curved = values(domain, [(w * x**2).d(x), (w * x**3).d2(x)])
    np.testing.assert_allclose(slope[0], 2 * np.arange(N)[:, None] * CLOUD[:, :1], rtol=1e-5)
    np.testing.assert_allclose(curved[0], 6 * np.arange(N)[:, None] * CLOUD[:, :1], rtol=1e-5)


def test_an_array_that_is_as_long_as_there_are_points_by_chance_is_not_cut():
    """jNO slices every array of length N point by point when it differentiates."""
    domain = jno.domain.from_array({"interior": CLOUD})
    x, _, _ = domain.variable("interior")
    weights = np.arange(1.0, N + 1)
    a = domain.variable("a", weights, per="shared")
    series = jno.np.sum(a[None] * x ** np.arange(N)[None], axis=-1, keepdims=True)
    value, slope = values(domain, [series, series.d(x)])
    polynomial = np.polynomial.Polynomial(weights)
    np.testing.assert_allclose(value[0, :, 0], polynomial(CLOUD[:, 0]), rtol=1e-5)
    np.testing.assert_allclose(slope[0, :, 0], polynomial.deriv()(CLOUD[:, 0]), rtol=1e-5)


def test_by_default_a_leading_axis_of_length_b_means_per_instance():
    domain, x = problem()
    assert domain.variable("a", np.zeros((B, 2))).layout == "instance"
    assert domain.variable("b", np.zeros((B + 1, 2))).layout == "shared"
    assert domain.variable("c", np.zeros(())).layout == "shared"
    assert domain.variable("d", np.zeros((N, 2)), at=x).layout == "point"
    assert domain.variable("e", np.zeros((B, N)), at=x).layout == "instance_point"
    single = jno.domain.from_array({"interior": CLOUD})
    assert single.variable("a", np.zeros((1, 2))).layout == "shared"


def test_what_could_be_read_in_two_ways_is_refused():
    domain = 5 * jno.domain.from_array({"interior": CLOUD})
    x, _, _ = domain.variable("interior")
    for shape in ((5, 5), (5, 5, 2), (4, 5), (2,)):
        with pytest.raises(JnoValueError, match=r"ambiguous.*B=5, N=5.*per='point'"):
            domain.variable("k", np.zeros(shape), at=x)
    assert domain.variable("k", np.zeros((5, 5)), per="point", at=x).aval.shape == (5, 5)


@pytest.mark.parametrize(
    ("per", "shape", "at"),
    [
        ("instance", (4,), False),
        ("instance", (), False),
        ("point", (N + 1, 1), True),
        ("point", (B, N), True),
        ("instance_point", (N, B), True),
        ("instance_point", (B,), True),
        ("point", (N, 1), False),
        ("instance_point", (B, N), False),
        ("shared", (N,), True),
        ("instance", (B,), True),
        ("row", (N,), False),
    ],
)
def test_layouts_that_do_not_fit(per, shape, at):
    domain, x = problem()
    with pytest.raises(JnoValueError, match="per="):
        domain.variable("k", np.zeros(shape), per=per, at=x if at else None)


def test_what_cannot_be_attached():
    domain, x = problem()
    stranger, _, _ = jno.domain.from_array({"interior": CLOUD}).variable("interior")
    for call, error in (
        (lambda: domain.variable("interior", np.zeros(3)), JnoValueError),
        (lambda: domain.variable("k", np.array([1.0, np.nan])), JnoValueError),
        (lambda: domain.variable("k", np.array([1.0, np.inf])), JnoValueError),
        (lambda: domain.variable("k", np.array(["a"])), JnoTypeError),
        (lambda: domain.variable("k", np.zeros(N), at=stranger), JnoValueError),
        (lambda: domain.variable("k", np.zeros(N), at="interior"), JnoTypeError),
        (lambda: domain.variable("interior", per="point"), JnoTypeError),
        (lambda: domain.variable("interior", at=x), JnoTypeError),
        (lambda: domain.variable("k", np.float64(3.0).reshape(()), split=True), JnoValueError),
    ):
        with pytest.raises(error):
            call()


def test_the_array_is_copied():
    domain, _ = problem()
    array = np.ones((64, 64), np.float32)
    k = domain.variable("k", array, per="shared")
    array[:] = 7
    np.testing.assert_array_equal(values(domain, k)[0], np.ones((64, 64)))


def test_split_gives_one_expression_per_column():
    domain, x = problem()
    array = np.random.default_rng(0).random((N, 3)).astype(np.float32)
    columns = domain.variable("k", array, per="point", at=x, split=True)
    assert [c.aval.shape for c in columns] == [(N, 1)] * 3
    np.testing.assert_array_equal(np.concatenate([v[0] for v in values(domain, list(columns))], -1), array)


def test_types_are_kept():
    domain, _ = problem()
    for dtype in (np.float32, np.int32, bool, np.complex64, np.float16):
        node = domain.variable(f"k{np.dtype(dtype)}", np.ones(2, dtype), per="shared")
        assert node.aval.dtype == dtype
        assert values(domain, node).dtype == dtype


# New data.


def test_attaching_again_gives_new_data_to_the_same_expression():
    domain, x = problem()
    k = domain.variable("k", np.ones(2, np.float32), per="shared")
    crux = jno.core([(k.sum * x).mse])
    before = crux.eval(k)
    domain.variable("k", np.full(2, 5.0, np.float32), per="shared")
    np.testing.assert_array_equal(before[0], [1, 1])
    np.testing.assert_array_equal(crux.eval(k)[0], [5, 5])


def test_attaching_again_keeps_shape_type_and_points():
    domain, x = problem()
    xo, _, _ = domain.variable("interior", 5)
    domain.variable("k", np.zeros((N, 1), np.float32), per="point", at=x)
    for array, options in (
        (np.zeros((N, 2), np.float32), {"per": "point", "at": x}),
        (np.zeros((N, 1), np.float32), {"per": "shared"}),
        (np.zeros((N, 1), np.float32), {"per": "point", "at": xo}),
        (np.zeros((N, 1), np.int32), {"per": "point", "at": x}),
    ):
        with pytest.raises(JnoValueError, match="'k' is attached"):
            domain.variable("k", array, **options)
    domain.variable("k", np.ones((B, N, 1), np.float32), per="instance_point", at=x)


def test_another_domain_brings_its_own_data_or_takes_that_of_training():
    train = jno.domain.from_array({"interior": CLOUD})
    x, _, _ = train.variable("interior")
    k = train.variable("k", np.float32([2.0]), per="shared")
    w = train.variable("w", np.ones((N, 1), np.float32), per="point", at=x)
    other = 2 * jno.domain.from_array({"interior": CLOUD[:3]})
    np.testing.assert_allclose(values(train, k * x, other), 2 * CLOUD[None, :3, :1], rtol=1e-6)
    other.variable("k", np.float32([[3.0], [4.0]]), per="instance")
    np.testing.assert_allclose(values(train, k * x, other), np.array([3, 4])[:, None, None] * CLOUD[:3, :1], rtol=1e-6)
    for same_size in (other, jno.domain.from_array({"interior": CLOUD + 1})):
        with pytest.raises(JnoValueError, match=r"'w' has values on the points.*per='point'"):
            values(train, w * x, same_size)
    y, _, _ = other.variable("interior")
    other.variable("w", np.full((3, 1), 7.0, np.float32), per="point", at=y)
    np.testing.assert_allclose(values(train, w * x, other), 7 * CLOUD[None, :3, :1], rtol=1e-6)


def test_data_of_another_domain_may_stand_on_a_later_point_set():
    train = jno.domain.from_array({"interior": CLOUD})
    x, _, _ = train.variable("interior")
    w = train.variable("w", np.ones((N, 1), np.float32), per="point", at=x)
    other = jno.domain.from_array({"interior": CLOUD[:4]})
    other.variable("interior", 2)
    y, _, _ = other.variable("interior")
    other.variable("w", np.arange(4.0, dtype=np.float32)[:, None], per="point", at=y)
    with pytest.raises(JnoValueError, match="'w' is attached to the points 'interior#2'"):
        values(train, w * x, other)
    wider = jno.domain.from_array({"interior": CLOUD})
    z, _, _ = wider.variable("interior")
    wider.variable("w", np.ones((N, 2), np.float32), per="point", at=z)
    with pytest.raises(JnoValueError, match=r"'w' has shape \(5, 2\)"):
        values(train, w * x, wider)
