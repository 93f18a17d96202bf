"""Domains: tags, samples, normals, attached arrays, instances, time, geometries, given points."""

import numpy as np

import jno
from jno_core.errors import (
    JnoFileNotFoundError,
    JnoKeyError,
    JnoTypeError,
    JnoValueError,
    PluginNotFoundError,
)

NAN = float("nan")


_given = jno.domain.from_array


def _attached_twice(p):
    p.domain.variable("k", np.ones(3))
    p.domain.variable("k", np.ones(4))


BAD = {
    # Tags.
    "misspelt tag": (
        lambda p: p.domain.variable("interor"),
        JnoValueError,
        ["no tag 'interor'", "'boundary'"],
        ["Did you mean 'interior'?"],
    ),
    "misspelt tag in brackets": (lambda p: p.domain["botom"], JnoValueError, ["'botom'"], ["Did you mean 'bottom'?"]),
    "tag None": (lambda p: p.domain.variable(None), JnoValueError, ["no tag None"], ["'interior'", "array"]),
    "initial of a steady domain": (
        lambda p: p.domain.variable("initial"),
        JnoValueError,
        ["'initial'"],
        ["time=(0.0, 1.0, 11)"],
    ),
    # Samples.
    "negative sample": (lambda p: p.domain.variable("interior", -1), JnoValueError, ["got -1"], ["at least one point"]),
    "empty sample": (lambda p: p.domain.variable("interior", (0, None)), JnoValueError, ["got 0"], ["at least one"]),
    "more points than there are": (
        lambda p: p.domain.variable("interior", 10**6),
        JnoValueError,
        ["has 9 points", "1000000"],
        ["Refine the mesh", "'uniform'"],
    ),
    "sampler without count": (
        lambda p: p.domain.variable("interior", (None, "uniform")),
        JnoValueError,
        ["needs a count"],
        ["sample=(n, sampler)"],
    ),
    "sample string": (lambda p: p.domain.variable("interior", "uniform"), JnoTypeError, ["'uniform'"], ["(500, None)"]),
    "sample float": (lambda p: p.domain.variable("interior", 3.5), JnoTypeError, ["got 3.5"], ["sample=(500, None)"]),
    "sample bool": (lambda p: p.domain.variable("interior", True), JnoTypeError, ["got True"], ["integer or None"]),
    "misspelt sampler": (
        lambda p: p.domain.variable("interior", (3, "unifrom")),
        JnoValueError,
        ["'unifrom'"],
        ["Did you mean 'uniform'"],
    ),
    "sampler that returns floats": (
        lambda p: p.domain.variable("interior", (3, lambda q, n: np.zeros(n))),
        JnoValueError,
        ["dtype float64"],
        ["3 integers from 0 to 8"],
    ),
    "sampler that returns too few": (
        lambda p: p.domain.variable("interior", (3, lambda q, n: np.array([0]))),
        JnoValueError,
        ["shape (1,)"],
        ["3 integers"],
    ),
    "sampler out of range": (
        lambda p: p.domain.variable("interior", (1, lambda q, n: np.array([9]))),
        JnoValueError,
        ["sampler"],
        ["integers from 0 to 8"],
    ),
    "sampler of one argument": (
        lambda p: p.domain.variable("interior", (3, lambda q: [0])),
        JnoTypeError,
        ["other arguments"],
        ["(points, n) and returns n indices"],
    ),
    "resampling": (
        lambda p: p.domain.variable("interior", resampling_strategy="rad"),
        JnoTypeError,
        ["resampling_strategy", "'rad'"],
        ["Pass an object"],
    ),
    # Normals and boundaries.
    "normals inside": (
        lambda p: p.domain.variable("interior", normals=True),
        JnoValueError,
        ["no normals on 'interior'"],
        ["boundary tags have them", "'left'"],
    ),
    "normals turned that are not there": (
        lambda p: p.domain.variable("boundary", reverse_normals=True),
        JnoValueError,
        ["reverse_normals=True"],
        ["add normals=True"],
    ),
    "boundary without boundary": (
        lambda p: p.domain.variable("left", exclude_boundary=True),
        JnoValueError,
        ["leaves no point"],
        ["leave it out"],
    ),
    "given points without boundary": (
        lambda p: _given({"interior": np.ones((3, 1))}).variable("interior", exclude_boundary=True),
        JnoValueError,
        ["exclude_boundary=True", "only given points"],
        ["needs a mesh"],
    ),
    # Attached arrays.
    "data NaN": (
        lambda p: p.domain.variable("k", np.array([1.0, NAN])),
        JnoValueError,
        ["'k'", "not finite", "(1,)"],
        ["Remove or replace"],
    ),
    "data infinite": (
        lambda p: p.domain.variable("k", np.array([[np.inf]])),
        JnoValueError,
        ["not finite", "(0, 0)"],
        ["Remove or replace"],
    ),
    "data of strings": (
        lambda p: p.domain.variable("k", np.array(["a"])),
        JnoTypeError,
        ["'k'", "<U1"],
        ["array of numbers"],
    ),
    "data in a list": (
        lambda p: p.domain.variable("k", [1.0, 2.0]),
        JnoValueError,
        ["no tag 'k'"],
        ["pass a NumPy or JAX array"],
    ),
    "data named by a number": (
        lambda p: p.domain.variable(3, np.ones(3)),
        JnoTypeError,
        ["got 3"],
        ["a string such as 'k'"],
    ),
    "data named like a tag": (
        lambda p: p.domain.variable("interior", np.ones(3)),
        JnoValueError,
        ["'interior' is a tag"],
        ["under another name"],
    ),
    "data attached again": (_attached_twice, JnoValueError, ["(3,)", "(4,)"], ["under another name"]),
    "unknown layout": (
        lambda p: p.domain.variable("k", np.ones(3), per="points"),
        JnoValueError,
        ["per='points'"],
        ["'point'", "'instance_point'"],
    ),
    "points without a point set": (
        lambda p: p.domain.variable("k", np.ones((9, 1)), per="point"),
        JnoValueError,
        ["per='point'"],
        ["needs at=x"],
    ),
    "wrong number of points": (
        lambda p: p.domain.variable("k", np.ones((3, 1)), per="point", at=p.x),
        JnoValueError,
        ["(3, 1)", "N=9"],
        ["must start with the axes (9,)"],
    ),
    "wrong number of instances": (
        lambda p: (3 * p.domain).variable("k", np.ones((2, 1)), per="instance"),
        JnoValueError,
        ["(2, 1)", "B=3"],
        ["must start with the axes (3,)"],
    ),
    "ambiguous layout": (
        lambda p: p.domain.variable("k", np.ones((3, 1)), at=p.x),
        JnoValueError,
        ["ambiguous", "(3, 1)"],
        ["declare per='point'"],
    ),
    "point set by number": (
        lambda p: p.domain.variable("k", np.ones((9, 1)), at=3),
        JnoTypeError,
        ["got 3"],
        ["as in at=x"],
    ),
    "point set of another domain": (
        lambda p: p.domain.variable("k", np.ones((9, 1)), at=p.timed.variable("interior")[0]),
        JnoValueError,
        ["another domain"],
        ["variable(...) call of this one"],
    ),
    "shared data on a point set": (
        lambda p: p.domain.variable("k", np.ones(3), per="shared", at=p.x),
        JnoValueError,
        ["per='shared'"],
        ["per='point'"],
    ),
    "layout without data": (
        lambda p: p.domain.variable("interior", per="point"),
        JnoTypeError,
        ["per= and at="],
        ["domain.variable(name, array, per=..., at=...)"],
    ),
    "scalar split": (
        lambda p: p.domain.variable("k", np.array(1.0), split=True),
        JnoValueError,
        ["'k' is a scalar"],
        ["leave split out"],
    ),
    "data that does not fit": (
        lambda p: p.u + p.domain.variable("k", np.ones((7, 2))),
        JnoValueError,
        ["(9, 1)", "k of shape (7, 2)"],
        ["reshape"],
    ),
    "points of another domain": (
        lambda p: p.domain.points(p.timed.variable("interior")[0]),
        JnoKeyError,
        ["does not belong"],
        ["the domain whose variable(...) made it"],
    ),
    "points of a tag": (
        lambda p: p.domain.points("interior"),
        JnoTypeError,
        ["'interior'"],
        ["domain.points(x)"],
    ),
    # Instances and time.
    "no instance": (lambda p: 0 * p.domain, JnoValueError, ["got 0"], ["positive integer"]),
    "half an instance": (lambda p: 1.5 * p.domain, JnoValueError, ["got 1.5"], ["positive integer"]),
    "instances string": (lambda p: p.domain * "3", JnoValueError, ["got '3'"], ["N * domain"]),
    "time without steps": (lambda p: jno.domain.line(time=(0, 1)), JnoValueError, ["(0, 1)"], ["(t0, t1, n)"]),
    "no time step": (lambda p: jno.domain.line(time=(0, 1, 0)), JnoValueError, ["n=0"], ["n >= 1"]),
    "half a time step": (lambda p: jno.domain.line(time=(0, 1, 5.5)), JnoValueError, ["n=5.5"], ["integer n"]),
    "time backwards": (lambda p: jno.domain.line(time=(1, 0, 5)), JnoValueError, ["(1, 0, 5)"], ["t0 < t1"]),
    "time NaN": (lambda p: jno.domain.line(time=(0, NAN, 5)), JnoValueError, ["nan"], ["finite t0 < t1"]),
    "time of strings": (lambda p: jno.domain.line(time=("0", 1, 5)), JnoTypeError, ["'0'"], ["numbers t0 < t1"]),
    # Geometries.
    "no mesh size": (lambda p: jno.domain.line(mesh_size=0), JnoValueError, ["got 0"], ["positive and finite"]),
    "mesh size string": (lambda p: jno.domain.rect(mesh_size="0.1"), JnoTypeError, ["'0.1'"], ["positive number"]),
    "unknown argument": (
        lambda p: jno.domain.rect(meshsize=0.1),
        JnoTypeError,
        ["jno.domain.rect", "'meshsize'"],
        ["Its arguments are", "mesh_size"],
    ),
    "misspelt geometry": (
        lambda p: jno.domain.rectt(),
        PluginNotFoundError,
        ["Unknown geometry 'rectt'"],
        ["Did you mean 'rect'?", "jno plugins"],
    ),
    "empty range": (lambda p: jno.domain.line(x_range=(1, 0)), JnoValueError, ["(1, 0)"], ["lower < upper"]),
    "polygon of two": (lambda p: jno.domain.polygon([(0, 0), (1, 0)]), JnoValueError, ["got 2"], ["at least 3"]),
    "negative radius": (lambda p: jno.domain.disk(radius=-1), JnoValueError, ["radius", "-1"], ["positive"]),
    "domain of a number": (lambda p: jno.domain(3), JnoTypeError, ["got 3"], ["jno.domain.NAME", "from_array"]),
    "domain of a file name": (lambda p: jno.domain("a.msh"), JnoFileNotFoundError, ["'a.msh'"], ["no mesh file"]),
    "nodes without a mesh": (
        lambda p: jno.domain.rect(compute_mesh_connectivity=False).variable("interior"),
        JnoValueError,
        ["no mesh nodes"],
        ["sample=(n, 'uniform')"],
    ),
    # Given points.
    "no points": (lambda p: jno.domain.from_array({}), JnoValueError, ["at least one tag"], ["shape (N, d)"]),
    "points in a list": (
        lambda p: jno.domain.from_array([1, 2]),
        JnoTypeError,
        ["got [1, 2]"],
        ["{'interior': points}"],
    ),
    "points in one dimension": (lambda p: _given({"a": np.ones(3)}), JnoValueError, ["'a'", "(3,)"], ["shape (N, d)"]),
    "points in no dimension": (lambda p: _given({"a": np.ones((3, 0))}), JnoValueError, ["(3, 0)"], ["d >= 1"]),
    "points NaN": (
        lambda p: _given({"a": np.array([[0.0], [NAN]])}),
        JnoValueError,
        ["Point 1 of 'a'", "nan"],
        ["Remove such points"],
    ),
    "points of strings": (lambda p: _given({"a": [["x"]]}), JnoTypeError, ["'a'", "<U1"], ["array of real numbers"]),
    "complex points": (lambda p: _given({"a": np.ones((3, 1)) * 1j}), JnoTypeError, ["complex128"], ["real numbers"]),
    "ragged points": (lambda p: _given({"a": [[1.0], [1.0, 2.0]]}), JnoValueError, ["different lengths"], ["(N, d)"]),
    "points of two dimensions": (
        lambda p: _given({"a": np.ones((3, 2)), "b": np.ones((3, 1))}),
        JnoValueError,
        ["'b' have 1 coordinates", "'a' 2"],
        ["in the same space"],
    ),
    "tag that is no string": (
        lambda p: jno.domain.from_array({3: np.ones((3, 1))}),
        JnoTypeError,
        ["got 3"],
        ["a string"],
    ),
    "uniform among given points": (
        lambda p: _given({"a": np.ones((3, 1))}).variable("a", (5, "uniform")),
        JnoValueError,
        ["needs a geometry"],
        ["sample=(n, None)"],
    ),
}

LEGAL = {
    "sample None": lambda p: p.domain.variable("interior", None),
    "sample from NumPy": lambda p: p.domain.variable("interior", np.int64(3)),
    "all points counted": lambda p: p.domain.variable("interior", (9, None)),
    "uniform string in a pair": lambda p: p.domain.variable("boundary", (5, "uniform")),
    "sampler with a default": lambda p: p.domain.variable("interior", (1, lambda q, n, start=0: np.array([start]))),
    "inward normals": lambda p: p.domain.variable("boundary", normals=True, reverse_normals=True),
    "inner nodes": lambda p: p.domain.variable("interior", exclude_boundary=True),
    "initial of a timed domain": lambda p: p.timed.variable("initial"),
    "one time step": lambda p: jno.domain.line(time=(0.0, 0.0, 1)),
    "time from NumPy": lambda p: jno.domain.line(time=(np.float32(0), np.float64(1), np.int64(3))),
    "data of truth values": lambda p: p.domain.variable("k", np.array([True, False])),
    "data of integers": lambda p: p.u * p.domain.variable("k", np.arange(2)),
    "data attached anew": lambda p: [p.domain.variable("k", np.full(3, i)) for i in range(2)],
    "scalar data": lambda p: p.u * p.domain.variable("k", np.array(2.0)),
    "points in nested lists": lambda p: _given({"a": [[0], [1]]}),
    "one point": lambda p: _given({"a": np.zeros((1, 3))}),
    "one instance": lambda p: 1 * p.domain,
    "integer mesh size": lambda p: jno.domain.line(mesh_size=1),
}
