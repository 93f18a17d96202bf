"""Domains: geometries, tags, samples, normals, instances, time, regions, exports."""

import numpy as np
from world import Handled, Refused

import jno
from jno_core.errors import (
    JnoError,
    JnoFileNotFoundError,
    JnoKeyError,
    JnoTypeError,
    JnoValueError,
    PluginNotFoundError,
)

SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]
points = jno.domain.from_array


def _all_nodes(w):
    x, _ = jno.domain.line(mesh_size=0.1).variable("interior")
    assert x.aval.shape == (11, 1)


def _own_sample(w):
    domain = jno.domain.rect(mesh_size=0.2)
    first, *_ = domain.variable("interior", (5, None))
    second, *_ = domain.variable("interior", (7, None))
    assert (first.aval.shape, second.aval.shape) == ((5, 1), (7, 1))


def _two_runs(w):
    def drawn():
        x, *_ = jno.domain.rect(mesh_size=0.2).variable("interior", (5, "uniform"))
        return np.asarray(jno.core([x.mse]).eval(x))

    np.random.seed(1)
    first = drawn()
    np.random.seed(2)
    np.testing.assert_array_equal(first, drawn())


def _new_domain(w):
    twice = 2 * w.domain
    assert twice is not w.domain
    assert w.domain.instances == 1
    assert twice.instances == 2


def _straight_normals(w):
    domain = jno.domain.rect(mesh_size=0.25)
    *_, n_x, n_y = domain.variable("right", normals=True, split=True)
    values = jno.core([n_x.mse]).eval([n_x, n_y])
    np.testing.assert_allclose(values[0], 1.0, atol=1e-6)
    np.testing.assert_allclose(values[1], 0.0, atol=1e-6)


def _signal_handler(w):
    import signal

    before = signal.getsignal(signal.SIGINT)
    jno.domain.line(mesh_size=0.1)
    jno.domain.polygon(vertices=SQUARE, mesh_size=0.5)
    assert signal.getsignal(signal.SIGINT) is before


CASES = {
    "`mesh_size=0`": Refused(
        lambda w: jno.domain.line(mesh_size=0), JnoValueError, ("mesh_size", "got 0"), ("positive and finite",)
    ),
    "a negative mesh size": Refused(
        lambda w: jno.domain.rect(mesh_size=-0.1), JnoValueError, ("got -0.1",), ("positive and finite",)
    ),
    "an unknown keyword": Refused(
        lambda w: jno.domain.rect(mesh_sise=0.1), JnoTypeError, ("mesh_sise",), ("mesh_size",)
    ),
    "a misspelt geometry": Refused(
        lambda w: jno.domain.rectt(), PluginNotFoundError, ("'rectt'",), ("Did you mean 'rect'?",)
    ),
    "an empty range": Refused(
        lambda w: jno.domain.rect(x_range=(1, 1)), JnoValueError, ("x_range", "(1, 1)"), ("lower < upper",)
    ),
    "`time=(0, 1)`": Refused(lambda w: jno.domain.line(time=(0, 1)), JnoValueError, ("(0, 1)",), ("(t0, t1, n)",)),
    "time that runs backwards": Refused(
        lambda w: jno.domain.line(time=(1, 0, 5)), JnoValueError, ("(1, 0, 5)",), ("t0 < t1",)
    ),
    "a missing mesh file": Refused(
        lambda w: jno.domain("nowhere.msh"), JnoFileNotFoundError, ("no mesh file",), ("'nowhere.msh'",)
    ),
    "a mesh file that is text": Refused(
        lambda w: jno.domain(w.file("mesh.msh", "hello")), JnoValueError, ("mesh.msh",), ("mesh",)
    ),
    "a domain of a number": Refused(lambda w: jno.domain(3), JnoTypeError, ("got 3",), ("jno.domain",)),
    "a polygon that crosses itself": Refused(
        lambda w: jno.domain.polygon(vertices=[(0, 0), (1, 1), (1, 0), (0, 1)], mesh_size=0.2),
        JnoValueError,
        ("vertices", "Self-intersection[0.5 0.5]"),
        ("valid polygon",),
    ),
    "a polygon of two vertices": Refused(
        lambda w: jno.domain.polygon(vertices=SQUARE[:2], mesh_size=0.2), JnoValueError, ("2",), ("3",)
    ),
    "a polygon without area": Refused(
        lambda w: jno.domain.polygon(vertices=[(0, 0), (1, 0), (2, 0)], mesh_size=0.2),
        JnoValueError,
        ("vertices", "[1 0]"),
        ("valid polygon",),
    ),
    "a vertex that is not a number": Refused(
        lambda w: jno.domain.polygon(vertices=[*SQUARE[:3], (0, float("nan"))], mesh_size=0.2),
        JnoValueError,
        ("vertices", "vertex 3"),
        ("not finite",),
    ),
    "a negative radius": Refused(
        lambda w: jno.domain.disk(radius=-1.0), JnoValueError, ("radius", "-1.0"), ("positive",)
    ),
    "no points": Refused(
        lambda w: points({}), JnoValueError, ("from_array",), ("at least one tag with points of shape (N, d)",)
    ),
    "points in one axis": Refused(
        lambda w: points({"interior": np.ones(5)}), JnoValueError, ("'interior'", "(5,)"), ("(N, d)",)
    ),
    "point sets of two dimensions": Refused(
        lambda w: points({"a": np.ones((5, 2)), "b": np.ones((5, 3))}),
        JnoValueError,
        ("Points of 'b' have 3 coordinates",),
        ("in the same space",),
    ),
    "a point that is not a number": Refused(
        lambda w: points({"interior": np.array([[0.0], [np.nan]])}),
        JnoValueError,
        ("Point 1 of 'interior' is not finite",),
        ("Remove such points",),
    ),
    "a misspelt tag": Refused(
        lambda w: w.domain.variable("interor"),
        JnoValueError,
        ("'interor'", "'boundary'"),
        ("Did you mean 'interior'?",),
    ),
    "more points than there are": Refused(
        lambda w: w.domain.variable("interior", 10**6), JnoValueError, ("has 9 points", "1000000"), ("'uniform'",)
    ),
    "no point": Refused(lambda w: w.domain.variable("interior", 0), JnoValueError, ("got 0",), ("at least one",)),
    "normals inside": Refused(
        lambda w: w.domain.variable("interior", normals=True), JnoValueError, ("no normals on 'interior'",), ("'left'",)
    ),
    "`0 * domain`": Refused(lambda w: 0 * w.domain, JnoValueError, ("got 0",), ("positive integer",)),
    "`1.5 * domain`": Refused(lambda w: 1.5 * w.domain, JnoValueError, ("got 1.5",), ("positive integer",)),
    "variables from before `N * domain`": Refused(
        lambda w: jno.core([w.u.mse, (2 * w.domain).variable("interior")[0].mse]),
        JnoValueError,
        ("2 domains",),
        ("take variables after it",),
    ),
    "a region that selects nothing": Refused(
        lambda w: w.domain.region("far", lambda x, y: x > 9), JnoValueError, ("'far'",), ("boundary",)
    ),
    "a region of an unknown tag": Refused(
        lambda w: w.domain.region("far", "nowhere"), JnoValueError, ("'nowhere'",), ("'boundary'",)
    ),
    "a mesh of an unknown region": Refused(
        lambda w: jno.domain.csg(SQUARE).build_mesh(0.5, region_mesh_sizes={"nowhere": 0.1}),
        JnoValueError,
        ("'nowhere'",),
        ("polygon",),
    ),
    "a stack of something besides polygons": Refused(
        lambda w: jno.domain.stack(3), JnoTypeError, ("got 3",), ("stack(100 * a, 100 * b)",)
    ),
    "candidates on an unknown tag": Refused(
        lambda w: w.domain.draw_candidates("nowhere"), JnoError, ("'nowhere'",), ("'interior'",)
    ),
    "view factors of tags that were not sampled": Refused(
        lambda w: w.domain.compute_enclosure_view_factor(["left", "right"]), JnoError, ("left",), ("normals=True",)
    ),
    "an export of an unknown kind": Refused(
        lambda w: w.domain.export(str(w.folder / "mesh.xyz")), JnoValueError, ("xyz",), ("vtu",)
    ),
    "resampling": Refused(
        lambda w: w.domain.variable("interior", resampling_strategy="rad"),
        JnoTypeError,
        ("resampling_strategy", "'rad'"),
        ("Pass an object",),
    ),
    "points of another domain": Refused(
        lambda w: w.domain.points(w.timed.variable("interior")[0]),
        JnoKeyError,
        ("does not belong",),
        ("the domain whose variable(...) made it",),
    ),
    "the nodes of a line": Handled(_all_nodes, "all of them, the last one too"),
    "a second sample of a tag": Handled(_own_sample, "leaves the first one as it is"),
    "the same seed, another state of `numpy.random`": Handled(_two_runs, "the same points"),
    "`2 * domain`": Handled(_new_domain, "a new domain"),
    "normals on a straight side": Handled(_straight_normals, "exact, at the corners too"),
    "Ctrl-C after meshing": Handled(_signal_handler, "the handler of SIGINT is what it was"),
}
