"""Uniform points from cells: the right region, the right distribution, in one, two and three dimensions."""

import numpy as np
import pytest
import scipy.stats

from jno_plugin_geometry._regions.cells import CellSampler


def ball(dimension, radius=0.7, slack=1.0):
    """A sampler of a ball off the origin, whose distance is scaled by `slack`, and how often it asked `contains`."""
    center = np.arange(1.0, dimension + 1)
    asked = []

    def contains(points):
        asked.append(len(points))
        return np.linalg.norm(points - center, axis=1) <= radius

    def distance(points):
        return slack * (np.linalg.norm(points - center, axis=1) - radius)

    bounds = np.stack([center - radius, center + radius])
    return CellSampler(bounds, distance, contains), center, asked


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("slack", [1.0, 0.3])
def test_points_of_a_ball_are_uniform(dimension, slack):
    sampler, center, asked = ball(dimension, slack=slack)
    points = sampler.sample(50_000, np.random.default_rng(0))
    assert points.shape == (50_000, dimension)
    assert points.dtype == np.float64
    offset = points - center
    radius = np.linalg.norm(offset, axis=1) / 0.7
    assert np.max(radius) <= 1
    # The volume inside a radius grows with its power.
    assert scipy.stats.kstest(radius**dimension, "uniform").pvalue > 1e-3
    assert np.all(np.abs(np.mean(offset, axis=0)) < 5 * np.std(offset, axis=0) / np.sqrt(len(points)))
    if dimension == 2:
        angle = np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi) + 0.5
        assert scipy.stats.kstest(angle, "uniform").pvalue > 1e-3
    # Few points lie in cells that the boundary may cross, but only if the distance is not too cautious.
    assert sum(asked) < (0.15 if slack == 1.0 else 0.6) * len(points)


def test_points_are_independent():
    """The order of the points tells nothing: neighbours in it are uncorrelated, and the first ones as uniform as all."""
    sampler, center, _ = ball(2)
    points = sampler.sample(40_000, np.random.default_rng(1)) - center
    for component in points.T:
        assert abs(np.corrcoef(component[:-1], component[1:])[0, 1]) < 5 / np.sqrt(len(points))
    for part in (points[:5000], points[-5000:]):
        assert scipy.stats.kstest(np.sum(part**2, axis=1) / 0.49, "uniform").pvalue > 1e-3


def test_points_are_reproducible_and_counts_exact():
    sampler, _, _ = ball(3)
    for n in (0, 1, 7, 1000):
        first, second = (sampler.sample(n, np.random.default_rng(5)) for _ in range(2))
        assert first.shape == (n, 3)
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(sampler.sample(7, np.random.default_rng(5)), sampler.sample(7, np.random.default_rng(6)))


@pytest.mark.parametrize("width", [1e-2, 1e-4])
def test_thin_regions(width):
    """A thin slanted strip is a small share of its bounding box."""

    def distance(points):
        across = np.abs(points[:, 0] - points[:, 1]) / np.sqrt(2) - width / 2
        along = np.abs(points[:, 0] + points[:, 1] - 1) / np.sqrt(2) - 0.5
        return np.maximum(across, along)

    sampler = CellSampler(np.array([[0.0, 0.0], [1.0, 1.0]]), distance, lambda points: distance(points) <= 0)
    points = sampler.sample(3000, np.random.default_rng(2))
    across = (points[:, 0] - points[:, 1]) / np.sqrt(2) / width + 0.5
    along = (points[:, 0] + points[:, 1] - 1) / np.sqrt(2) + 0.5
    for share in (across, along):
        assert scipy.stats.kstest(share, "uniform").pvalue > 1e-3


def test_a_box_of_very_different_sides():
    low, high = np.array([5.0, -3.0, 0.0]), np.array([5.001, 7.0, 0.5])

    def distance(points):
        return np.max(np.abs(points - (low + high) / 2) - (high - low) / 2, axis=1)

    sampler = CellSampler(np.stack([low, high]), distance, lambda points: distance(points) <= 0)
    points = sampler.sample(5000, np.random.default_rng(3))
    for share in ((points - low) / (high - low)).T:
        assert scipy.stats.kstest(share, "uniform").pvalue > 1e-3


def test_a_region_without_a_sure_cell():
    """A distance that tells nothing but the sign: all points ask `contains`."""

    def contains(points):
        return np.sum(points, axis=1) <= 1

    sampler = CellSampler(np.array([[0.0, 0.0], [1.0, 1.0]]), lambda points: np.zeros(len(points)), contains)
    points = sampler.sample(5000, np.random.default_rng(4))
    # Of a triangle: the sum of the coordinates has the distribution function s**2.
    assert scipy.stats.kstest(np.sum(points, axis=1) ** 2, "uniform").pvalue > 1e-3
