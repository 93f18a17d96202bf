"""Unions of any number of shapes."""

import numpy as np
import pytest

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry import Box, Disk, Line, Rectangle, union


def test_measures_and_points():
    row = union(*(Rectangle((i, i + 0.5), (0, 1)).named(f"r{i}") for i in range(4)))
    assert row.measure("interior") == pytest.approx(2.0, rel=1e-12)
    assert row.measure("boundary") == pytest.approx(12.0, rel=1e-12)
    assert {"r0", "r1", "r2", "r3"} <= set(row.tags())
    x = row.sample("interior", 200, np.random.default_rng(0)).points[:, 0]
    assert np.all(x % 1 <= 0.5)


def test_shapes_that_overlap_count_once():
    assert union(Rectangle((0, 2)), Rectangle((1, 3)), Rectangle((0, 3))).measure("interior") == pytest.approx(3.0)
    assert union(Line((0, 2)), Line((1, 3))).measure("interior") == pytest.approx(3.0)
    assert union(Box((0, 1)), Box((1, 2))).measure("interior") == pytest.approx(2.0, rel=1e-6)


def test_the_union_of_one_is_itself():
    disk = Disk()
    assert union(disk) is disk


def test_what_has_no_union():
    with pytest.raises(JnoValueError, match="at least one shape"):
        union()
    with pytest.raises(JnoTypeError, match="2-D"):
        union(Disk(), Box())
