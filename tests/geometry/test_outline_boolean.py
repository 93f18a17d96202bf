"""Unions, intersections and differences of plane regions against closed forms, shapely and set algebra."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from jno_core.errors import JnoValueError
from jno_plugin_geometry._regions import outline_boolean
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.outline_rings import UnbalancedError

OPERATIONS = ("union", "intersection", "difference")
SQUARE = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]


def box(x0, y0, x1, y1, **named):
    return Outline.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], named=named)


def turned(vertices, angle, scale=1.0, shift=(0.0, 0.0)):
    cos, sin = np.cos(angle), np.sin(angle)
    return scale * np.array(vertices) @ np.array([[cos, sin], [-sin, cos]]) + shift


def area(a, b, operation):
    """The area of the result, zero where it is empty."""
    try:
        return a.combined(b, operation).interior_measure()
    except JnoValueError as error:
        if "is empty" not in str(error):
            raise
        return 0.0


def chords(region, n=4000):
    """The region with `n` chords to each arc, as shapely's polygon."""
    shape = shapely.Polygon()
    ends = np.cumsum(region.ring_sizes)
    for end, size in zip(ends, region.ring_sizes, strict=True):
        pieces = np.arange(end - size, end)
        steps = np.where(region.curves.bent[pieces], n, 1)
        index = np.repeat(pieces, steps)
        fraction = np.concatenate([np.arange(count) / count for count in steps])
        shape = shape.symmetric_difference(shapely.Polygon(region.curves.points(index, fraction)))
    return shape


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_polygons_agree_with_shapely(seed, operation):
    rng = np.random.default_rng(seed)
    vertices = []
    for _ in range(2):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
        star = rng.uniform(0.3, 1.0, (12, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        vertices.append(star + rng.normal(0, 0.3, 2))
    result = Outline.polygon(vertices[0]).combined(Outline.polygon(vertices[1]), operation)
    expected = getattr(shapely.Polygon(vertices[0]), operation)(shapely.Polygon(vertices[1]))
    assert result.interior_measure() == pytest.approx(expected.area, rel=1e-12)
    assert result.boundary_measure("boundary") == pytest.approx(expected.length, rel=1e-12)
    points = rng.uniform(-1.5, 1.5, (500, 2))
    there = shapely.points(points)
    distance = result.signed_distance(points)
    np.testing.assert_allclose(np.abs(distance), expected.boundary.distance(there), atol=1e-9)
    np.testing.assert_array_equal(distance < 0, expected.contains(there))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_rotated_boxes_agree_with_shapely(operation):
    rng = np.random.default_rng(11)
    result, expected = Outline.polygon(SQUARE), shapely.Polygon(SQUARE)
    for _ in range(12):
        other = turned(SQUARE, rng.uniform(0, 7), rng.uniform(0.2, 1.2), rng.uniform(-1, 1, 2))
        step = operation if operation != "intersection" else "union"
        result = result.combined(Outline.polygon(other), step)
        expected = getattr(expected, step)(shapely.Polygon(other))
    if operation == "intersection":
        other = turned(SQUARE, 0.4, 1.1, (0.3, 0.2))
        result = result.combined(Outline.polygon(other), operation)
        expected = expected.intersection(shapely.Polygon(other))
    assert result.interior_measure() == pytest.approx(expected.area, rel=1e-12)
    assert result.boundary_measure("boundary") == pytest.approx(expected.length, rel=1e-12)


@pytest.mark.parametrize("d", [1e-5, 0.3, 1.0, 1.7, 1.999, 1.9999999, 1.999999999])
def test_lens_of_two_circles(d):
    a, b = Outline.disk((0.3, -0.2), 1.0), Outline.disk((0.3 + 0.6 * d, -0.2 + 0.8 * d), 1.0)
    # The half angle of each arc, its cosine being d / 2, without cancellation.
    half = 2 * np.arcsin(np.sqrt((2 - d) / 4))
    lens, arc = 2 * half - np.sin(2 * half), 2 * half
    result = a.combined(b, "intersection")
    assert result.interior_measure() == pytest.approx(lens, abs=1e-13)
    assert result.boundary_measure("boundary") == pytest.approx(2 * arc, abs=1e-7 if d > 1.99 else 1e-12)
    assert area(a, b, "union") == pytest.approx(2 * np.pi - lens, rel=1e-13)
    assert area(a, b, "difference") == pytest.approx(np.pi - lens, abs=1e-12)


def test_circle_and_square_meet_in_closed_form():
    """A circle that cuts off all four corners: each segment beyond a side is known."""
    r = 1.2
    segment = r * r * np.arccos(1 / r) - np.sqrt(r * r - 1)
    square, disk = Outline.polygon(SQUARE), Outline.disk((0, 0), r)
    both = square.combined(disk, "intersection")
    assert both.interior_measure() == pytest.approx(np.pi * r * r - 4 * segment, rel=1e-13)
    assert both.boundary_measure("outer") == pytest.approx(8 * np.sqrt(r * r - 1), rel=1e-12)
    corners = square.combined(disk, "difference")
    assert corners.ring_sizes == (3,) * 4
    caps = disk.combined(square, "difference")
    assert len(caps.ring_sizes) == 4
    assert caps.interior_measure() == pytest.approx(4 * segment, rel=1e-12)


@pytest.mark.parametrize("angles", [(0.3, 1.4), (0.0, np.pi / 2), (0.2, 0.2001), (1.0, 1.0)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, 0.1), (0.0, 1.3)])
def test_ellipses_agree_with_fine_chords(angles, shift):
    a = Outline.ellipse((0, 0), (1.5, 0.4), angles[0])
    b = Outline.ellipse(shift, (1.2, 0.5), angles[1])
    for operation in OPERATIONS:
        expected = getattr(chords(a), operation)(chords(b)).area
        assert area(a, b, operation) == pytest.approx(expected, abs=2e-6)
    assert area(a, b, "union") + area(a, b, "intersection") == pytest.approx(np.pi * 1.2, rel=1e-12)


def test_ellipses_that_cross_in_four_points_in_closed_form():
    """Crosswise ellipses with axes p and q: in the common quarter, two sectors of known area."""
    p, q = 1.7, 0.6
    a, b = Outline.ellipse((0, 0), (p, q)), Outline.ellipse((0, 0), (p, q), np.pi / 2)
    # They meet on the diagonals, where each has swept the parameter arctan(q / p) of a sector with area p q t / 2.
    common = 4 * p * q * np.arctan(q / p)
    assert area(a, b, "intersection") == pytest.approx(common, rel=1e-13)
    assert len(a.combined(b, "difference").ring_sizes) == 2
    assert area(a, b, "difference") == pytest.approx(np.pi * p * q - common, rel=1e-12)


def test_boxes_side_by_side_lose_their_common_edge():
    a, b = box(0, 0, 1, 1, left=[3], floor=[0], seam=[1]), box(1, 0, 2.5, 1, right=[1], floor=[0], seam=[3])
    both = a.combined(b, "union")
    assert both.interior_measure() == 2.5
    assert both.boundary_measure("boundary") == 7.0
    assert both.boundary_measure("floor") == 2.5
    assert "seam" not in both.boundary_tags()
    assert {"left", "right", "floor", "outer", "boundary"} == set(both.boundary_tags())
    assert a.combined(b, "difference").interior_measure() == 1.0
    with pytest.raises(JnoValueError, match="intersection is empty"):
        a.combined(b, "intersection")


def test_boxes_with_part_of_an_edge_in_common():
    a, b = box(0, 0, 1, 1), box(1, 0.25, 2, 0.5)
    both = a.combined(b, "union")
    assert both.interior_measure() == 1.25
    assert both.boundary_measure("boundary") == 4 + 2 * 1.0
    assert both.ring_sizes == (8,)
    inner = a.combined(box(0.5, 0.0, 1.0, 0.5), "difference")
    assert inner.interior_measure() == 0.75
    assert inner.ring_sizes == (6,)
    assert a.combined(box(0.5, 0.0, 1.0, 0.5), "union").boundary_measure("boundary") == 4.0


def test_arcs_in_common():
    disk = Outline.disk((0, 0), 1.0)
    left = disk.combined(box(-2, -2, 0, 2), "intersection")
    right = disk.combined(box(0, -2, 2, 2), "intersection").moved(np.eye(2), np.zeros(2))
    whole = left.combined(right, "union")
    assert whole.interior_measure() == pytest.approx(np.pi, rel=1e-14)
    assert whole.boundary_measure("boundary") == pytest.approx(2 * np.pi, rel=1e-14)
    rest = disk.combined(left, "difference")
    assert rest.interior_measure() == pytest.approx(np.pi / 2, rel=1e-13)
    # The same circle with its seam elsewhere.
    other = Outline.ellipse((0, 0), (1.0, 1.0), 1.234)
    assert area(disk, other, "union") == pytest.approx(np.pi, rel=1e-13)
    assert area(disk, other, "difference") == 0.0


@pytest.mark.parametrize(
    "region",
    [
        Outline.polygon(SQUARE, [turned(SQUARE, 0.3, 0.4)]),
        Outline.disk((0.1, 0.2), 0.7),
        Outline.ellipse((0.1, 0.2), (0.7, 0.1), 0.4),
        Outline.polygon(SQUARE).combined(Outline.disk((1, 1), 0.7), "difference"),
    ],
)
def test_region_with_itself(region):
    for operation in ("union", "intersection"):
        same = region.combined(region, operation)
        assert same.ring_sizes == region.ring_sizes
        assert same.boundary_tags() == region.boundary_tags()
        assert same.interior_measure() == pytest.approx(region.interior_measure(), rel=1e-14)
        assert same.boundary_measure("boundary") == pytest.approx(region.boundary_measure("boundary"), rel=1e-14)
    with pytest.raises(JnoValueError, match="difference is empty"):
        region.combined(region, "difference")
    # A copy that went around and came back differs by rounding only.
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    copy = region.moved(turn, np.array([3.0, 1.0])).moved(turn.T, -turn.T @ [3.0, 1.0])
    assert area(region, copy, "difference") == 0.0
    assert area(region, copy, "union") == pytest.approx(region.interior_measure(), rel=1e-12)


def test_results_that_touch_themselves():
    square, disk = Outline.polygon(SQUARE), Outline.disk((0, 0), 1.0)
    corners = square.combined(disk, "difference")
    assert corners.ring_sizes == (3, 3, 3, 3)
    assert corners.interior_measure() == pytest.approx(4 - np.pi, rel=1e-13)
    assert square.combined(disk, "union").interior_measure() == pytest.approx(4.0, rel=1e-14)
    assert square.combined(disk, "intersection").interior_measure() == pytest.approx(np.pi, rel=1e-14)
    crescent = disk.combined(Outline.disk((0.5, 0), 0.5), "difference")
    assert crescent.interior_measure() == pytest.approx(0.75 * np.pi, rel=1e-13)
    assert len(crescent.ring_sizes) == 2
    chain = disk.combined(Outline.disk((2, 0), 1.0), "union")
    assert len(chain.ring_sizes) == 2
    assert chain.interior_measure() == pytest.approx(2 * np.pi, rel=1e-14)
    # Two squares with a corner in common are two rings, and filling the gap makes them one.
    stairs = box(0, 0, 1, 1).combined(box(1, 1, 2, 2), "union")
    assert stairs.ring_sizes == (4, 4)
    filled = stairs.combined(box(0, 1, 1, 2), "union").combined(box(1, 0, 2, 1), "union")
    assert filled.interior_measure() == 4.0
    assert filled.boundary_measure("boundary") == 8.0


def test_one_inside_the_other_and_apart():
    big, small, far = Outline.disk((0, 0), 2.0), Outline.polygon(SQUARE), Outline.disk((9, 0), 1.0)
    ring = big.combined(small.renamed("hole"), "difference")
    assert ring.interior_measure() == pytest.approx(4 * np.pi - 4, rel=1e-14)
    assert ring.boundary_measure("hole") == 8.0
    assert big.combined(small, "union").interior_measure() == pytest.approx(4 * np.pi, rel=1e-14)
    assert big.combined(small, "intersection").interior_measure() == 4.0
    assert big.combined(far, "union").interior_measure() == pytest.approx(5 * np.pi, rel=1e-14)
    assert big.combined(far, "difference").boundary_tags() == ("boundary",)
    for a, b, operation in ((big, far, "intersection"), (small, big, "difference")):
        with pytest.raises(JnoValueError, match="empty"):
            a.combined(b, operation)


def test_parts_of_both_survive_where_they_lie_on_the_result():
    plate = box(0, 0, 2, 1, inlet=[3], outlet=[1])
    notch = Outline.disk((2, 0.5), 0.25).renamed("notch")
    result = plate.combined(notch, "difference")
    assert result.boundary_measure("inlet") == 1.0
    assert result.boundary_measure("outlet") == pytest.approx(0.5, rel=1e-13)
    assert result.boundary_measure("notch") == pytest.approx(np.pi / 4, rel=1e-13)
    assert result.boundary_measure("boundary") == pytest.approx(5.5 + np.pi / 4, rel=1e-13)
    total = sum(result.boundary_measure(tag) for tag in ("outer", "notch"))
    assert result.boundary_measure("boundary") == pytest.approx(total, rel=1e-13)
    gone = plate.combined(box(-1, -1, 0.5, 2), "difference")
    assert "inlet" not in gone.boundary_tags()


def test_what_nearly_touches():
    """Gaps and overlaps from far below to above the rounding errors."""
    square = Outline.polygon(SQUARE)
    for gap in (0.0, 1e-16, 1e-14, 1e-13, 1e-12, 1e-11, 1e-9, 1e-7):
        for sign in (-1, 1):
            shift = 2 + sign * gap
            beside = box(shift - 1, -1, shift + 1, 1)
            assert area(square, beside, "union") == pytest.approx(8, abs=4 * gap + 1e-11)
            assert area(square, beside, "difference") == pytest.approx(4, abs=4 * gap + 1e-11)
            disk = Outline.disk((shift, 0.2), 1.0)
            assert area(square, disk, "union") == pytest.approx(4 + np.pi, abs=4 * gap + 1e-11)
            tilted = Outline.polygon(turned(SQUARE, sign * gap))
            for operation, expected in (("union", 4), ("intersection", 4), ("difference", 0)):
                assert area(square, tilted, operation) == pytest.approx(expected, abs=8 * gap + 1e-11)


def test_boundaries_that_do_not_close_are_explained(monkeypatch):
    def failing(*arguments):
        raise UnbalancedError

    monkeypatch.setattr(outline_boolean, "rings_of", failing)
    with pytest.raises(
        JnoValueError, match=r"union failed: .*nearly coincide.*same vertices.*move one of them by 2e-06"
    ):
        box(0, 0, 1, 2).combined(box(1, 0, 2, 1), "union")


def nudged(rng, leaves, step, straight):
    """A random tree of regions on a lattice, moved off it by up to `step`, and which points are in it for sure or not."""
    if leaves > 1:
        operation, first = OPERATIONS[rng.integers(3)], rng.integers(1, leaves)
        (a, in_a), (b, in_b) = (nudged(rng, n, step, straight) for n in (first, leaves - first))
        bounds = {
            "union": lambda p: np.minimum(in_a(p), in_b(p)),
            "intersection": lambda p: np.maximum(in_a(p), in_b(p)),
            "difference": lambda p: np.maximum(in_a(p), -in_b(p)),
        }
        try:
            return a.combined(b, operation), bounds[operation]
        except JnoValueError as error:
            if "is empty" not in str(error):
                raise
            return a, in_a
    noise = step * rng.uniform(-1, 1, (6, 2))
    center, r, t = rng.integers(-2, 3, 2) / 2 + noise[0], rng.integers(1, 4) / 2 + noise[1, 0], rng.integers(8)
    kind, t = 2 if straight else rng.integers(3), t * np.pi / 4 + noise[1, 1] * rng.integers(2)
    corners = turned(SQUARE, t, r, center) + noise[2:]
    makers = (
        lambda: Outline.disk(center, r),
        lambda: Outline.ellipse(center, (r, r / 2), t),
        lambda: Outline.polygon(corners),
    )
    leaf = makers[kind]()
    return leaf, leaf.signed_distance


# Each of these once failed, or lost a part of the region.
@pytest.mark.parametrize(
    ("seed", "straight"),
    [*((seed, False) for seed in (299, 517, 1101, 2228, 4024)), *((seed, True) for seed in (281, 478, 784, 799, 1774))],
)
def test_regions_nudged_off_a_lattice(seed, straight):
    rng = np.random.default_rng(seed)
    step = 10.0 ** rng.uniform(-16, -6)
    leaves = int(rng.integers(2, 12))
    (a, in_a), (b, in_b) = (nudged(rng, leaves, step, straight) for _ in range(2))
    union, common, only_a, only_b = (
        area(*pair) for pair in ((a, b, "union"), (a, b, "intersection"), (a, b, "difference"), (b, a, "difference"))
    )
    assert min(union, common, only_a, only_b) >= 0
    assert union == pytest.approx(common + only_a + only_b, abs=1e-9)
    assert only_a + common == pytest.approx(a.interior_measure(), abs=1e-9)
    assert only_b + common == pytest.approx(b.interior_measure(), abs=1e-9)
    points = rng.uniform(-3, 3, (100, 2))
    for region, bound in ((a, in_a(points)), (b, in_b(points))):
        clear = np.abs(bound) > 1e-9
        np.testing.assert_array_equal((region.signed_distance(points) < 0)[clear], (bound < 0)[clear])


def test_far_from_the_origin():
    shift = np.array([1e4, -3e4])
    a, b = Outline.disk(shift, 1.0), Outline.disk((shift[0] + 1.0, shift[1]), 1.0)
    assert area(a, b, "intersection") == pytest.approx(2 * np.pi / 3 - np.sqrt(3) / 2, rel=1e-9)


def leaves(lattice):
    """Regions in general position, or on a lattice where edges, corners and tangents coincide all the time."""
    place = st.integers(-2, 2).map(lambda k: k / 2) if lattice else st.floats(-1, 1)
    size = st.integers(1, 3).map(lambda k: k / 2) if lattice else st.floats(0.2, 1.5)
    angle = st.integers(0, 7).map(lambda k: k * np.pi / 4) if lattice else st.floats(0, 7)
    flat = st.just(0.5) if lattice else st.floats(0.1, 2.0)
    return st.one_of(
        st.builds(lambda x, y, r: Outline.disk((x, y), r), place, place, size),
        st.builds(lambda x, y, r, q, t: Outline.ellipse((x, y), (r, q * r), t), place, place, size, flat, angle),
        st.builds(lambda x, y, r, t: Outline.polygon(turned(SQUARE, t, r, (x, y))), place, place, size, angle),
    )


def grown(children):
    def build(a, b, operation):
        try:
            return a.combined(b, operation)
        except JnoValueError as error:
            if "is empty" not in str(error):
                raise
            return a

    return st.builds(build, children, children, st.sampled_from(OPERATIONS))


TREES = st.booleans().flatmap(lambda lattice: st.recursive(leaves(lattice), grown, max_leaves=6))


@settings(deadline=None, max_examples=25)
@given(TREES, TREES, st.integers(0, 2**32 - 1))
def test_set_algebra(a, b, seed):
    results = {}
    for operation in OPERATIONS:
        try:
            results[operation] = a.combined(b, operation)
        except JnoValueError as error:
            if "is empty" not in str(error):
                raise
    measures = {name: result.interior_measure() for name, result in results.items()}
    assert min(measures.values()) > 0
    of_a, of_b = a.interior_measure(), b.interior_measure()
    assert measures.get("union", 0) + measures.get("intersection", 0) == pytest.approx(of_a + of_b, rel=1e-11)
    assert measures.get("difference", 0) + measures.get("intersection", 0) == pytest.approx(of_a, rel=1e-11, abs=1e-11)
    points = np.random.default_rng(seed).uniform(-3, 3, (300, 2))
    da, db = a.signed_distance(points), b.signed_distance(points)
    expected = {"union": np.minimum(da, db), "intersection": np.maximum(da, db), "difference": np.maximum(da, -db)}
    for operation, bound in expected.items():
        clear = np.abs(bound) > 1e-9
        if operation not in results:
            assert not np.any(bound[clear] < 0)
            continue
        distance = results[operation].signed_distance(points)
        np.testing.assert_array_equal(distance[clear] < 0, bound[clear] < 0)
        # The usual bound never exceeds the distance.
        assert np.all(np.abs(bound) <= np.abs(distance) + 1e-9)


@settings(deadline=None, max_examples=15)
@given(TREES, st.integers(0, 2**32 - 1))
def test_trees_obey_the_divergence_theorem_and_are_1_lipschitz(region, seed):
    rng = np.random.default_rng(seed)
    draw = region.sample_boundary("boundary", 200, rng)
    assert np.max(np.abs(region.signed_distance(draw.points))) < 1e-11
    points = rng.uniform(-3, 3, (200, 2))
    other = points + rng.normal(0, 0.2, points.shape)
    change = np.abs(region.signed_distance(points) - region.signed_distance(other))
    assert np.all(change <= np.hypot(*(points - other).T) * (1 + 1e-12) + 1e-11)
    step = 1e-7
    out, into = (region.signed_distance(draw.points + sign * step * draw.normals) for sign in (1, -1))
    # But for points within a step of a corner.
    assert np.mean((out > 0) & (into < 0)) > 0.98
    exact = chords(region, 1000)
    assert region.interior_measure() == pytest.approx(exact.area, abs=1e-4)
    assert region.boundary_measure("boundary") == pytest.approx(exact.length, abs=1e-3)


@settings(deadline=None, max_examples=15)
@given(TREES, TREES, st.sampled_from(OPERATIONS), st.floats(0, 6), st.floats(0.3, 2), st.booleans())
def test_operations_commute_with_affine_maps(a, b, operation, angle, stretch, mirror):
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([stretch, 1.0])
    matrix = matrix @ np.diag([1.0, -1.0 if mirror else 1.0])
    offset = np.array([0.3, -0.4])
    before = area(a, b, operation)
    after = area(a.moved(matrix, offset), b.moved(matrix, offset), operation)
    assert after == pytest.approx(stretch * before, rel=1e-10, abs=1e-10)
