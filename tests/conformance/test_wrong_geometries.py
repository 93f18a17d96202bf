"""Each of the faults that a geometry can have is caught, by the checks that are meant for it and by no other."""

import dataclasses
import importlib
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import AbstractCombinable, AbstractDistance, AbstractGeometry, AbstractRemeshable, Mesh, PointDraw
from jno_core.testing import GeometrySuite, checks_of
from jno_plugin_geometry import AbstractShape, Disk, Rectangle

JAX_CHECKS = ("smooth_distance", "bubble")
CHECKS = [name.removeprefix("test_") for name in vars(GeometrySuite) if name.startswith("test_")]
SHEET = Rectangle((0.0, 2.0), (0.0, 1.0), mesh_size=0.25)
SMALL = 1e-3


@dataclasses.dataclass(frozen=True)
class Sound(AbstractGeometry, AbstractDistance, AbstractCombinable, AbstractRemeshable):
    """What a shape answers, passed on. The faults override one answer each."""

    shape: AbstractShape = SHEET

    @property
    def dimension(self):
        return self.shape.dimension

    def tags(self):
        return self.shape.tags()

    def mesh(self):
        return self.shape.mesh()

    def sample(self, tag, n, rng):
        return self.shape.sample(tag, n, rng)

    def contains(self, points):
        return self.shape.contains(points)

    def measure(self, tag):
        return self.shape.measure(tag)

    def bounds(self):
        return self.shape.bounds()

    def signed_distance(self, points):
        return self.shape.signed_distance(points)

    def smooth_distance(self, tag):
        return self.shape.smooth_distance(tag)

    def bubble(self, tag):
        return self.shape.bubble(tag)

    def combined(self, operation, other):
        return Sound(self.shape.combined(operation, getattr(other, "shape", None)))

    def remeshed(self, mesh_size, **options):
        return type(self)(self.shape.remeshed(mesh_size, **options))


def moved(draw, offset, where=slice(None)):
    points = draw.points.copy()
    points[where] += offset
    return PointDraw(points, draw.normals)


def turned(draw, factor):
    return PointDraw(draw.points, None if draw.normals is None else factor * draw.normals)


def facets(mesh, **changed):
    return Mesh(mesh.points, mesh.cells, {**mesh.facets, **changed})


def with_hole(mesh):
    """A cell that has no node on the boundary is left out, and its sides are new boundary."""
    within = np.flatnonzero(~np.isin(mesh.cells, mesh.nodes("boundary")).any(axis=1))
    cells = np.delete(mesh.cells, within[:1], axis=0)
    return Mesh(mesh.points, cells, {**mesh.facets, "boundary": Mesh.from_cells(mesh.points, cells).facets["boundary"]})


def wrong_where(tag, change):
    """The samples of one tag, changed."""
    return lambda self, asked, n, rng: (
        change(self.shape.sample(asked, n, rng)) if asked == tag else self.shape.sample(asked, n, rng)
    )


def globally(self, tag, n, rng):
    return self.shape.sample(tag, n, np.random.default_rng(np.random.randint(1 << 30)))


def shaken(self, tag, n, rng):
    """The global generator is used besides the given one, which alone decides the points."""
    np.random.uniform()
    return self.shape.sample(tag, n, rng)


def own_randomness(self, tag, n, rng):
    return self.shape.sample(tag, n, np.random.default_rng())


def remembering(self, tag, n, rng):
    REMEMBERED.append(tag)
    return self.shape.sample(tag, n, rng)


REMEMBERED = []


def symmetric_everywhere(self, operation, other):
    used = "union" if operation == "symmetric_difference" else operation
    return Sound(self.shape.combined(used, getattr(other, "shape", None)))


def squeezed(points):
    """Denser to the left, in the same rectangle."""
    return points * [0.5, 0] * points + points * [0, 1]


# Of each fault what it overrides, and the checks that fail.
FAULTS = {
    "samples outside": (
        {"sample": wrong_where("interior", lambda d: moved(d, [0, 1], slice(5)))},
        ["samples", "signed_distance"],
    ),
    "too few samples": ({"sample": lambda self, tag, n, rng: self.shape.sample(tag, max(n - 1, 0), rng)}, ["samples"]),
    "single precision": (
        {"sample": wrong_where("interior", lambda d: PointDraw(d.points.astype(np.float32)))},
        ["samples"],
    ),
    "samples denser to the left": (
        {"sample": wrong_where("interior", lambda d: PointDraw(squeezed(d.points)))},
        ["uniform"],
    ),
    "boundary samples inside": (
        {"sample": wrong_where("left", lambda d: moved(d, [SMALL, 0]))},
        ["samples", "normals"],
    ),
    "long normals": ({"sample": wrong_where("left", lambda d: turned(d, 1.001))}, ["normals"]),
    "inward normals": ({"sample": wrong_where("left", lambda d: turned(d, -1))}, ["normals"]),
    "no normals": ({"sample": wrong_where("left", lambda d: PointDraw(d.points))}, ["normals"]),
    "area too large": (
        {"measure": lambda self, tag: self.shape.measure(tag) * (1 + SMALL * (tag == "interior"))},
        ["measure", "set_operations"],
    ),
    "length too large": (
        {"measure": lambda self, tag: self.shape.measure(tag) * (1 + SMALL * (tag == "left"))},
        ["measure"],
    ),
    "generator not used": ({"sample": own_randomness}, ["reproducible"]),
    "global generator used": ({"sample": globally}, ["global_state", "reproducible"]),
    "global generator moved": ({"sample": shaken}, ["global_state"]),
    "kind wrong": (
        {"tags": lambda self: {**self.shape.tags(), "left": "interior"}},
        ["mesh_tags", "normals", "samples"],
    ),
    "kind unknown": ({"tags": lambda self: {**self.shape.tags(), "left": "side"}}, ["mesh_tags", "tags"]),
    "no interior": (
        {"tags": lambda self: {t: k for t, k in self.shape.tags().items() if t != "interior"}},
        ["tags"],
    ),
    "any tag": (
        {"measure": lambda self, tag: self.shape.measure(tag if tag in SHEET.tags() else "left")},
        ["unknown_tag"],
    ),
    "mesh without an edge": (
        {"mesh": lambda self: facets(self.shape.mesh(), boundary=self.shape.mesh().facets["boundary"][1:])},
        ["measure", "mesh_tags"],
    ),
    "tag of the mesh inside": (
        {"mesh": lambda self: facets(self.shape.mesh(), left=self.shape.mesh().cells[6:7, :2])},
        ["measure", "mesh_inside", "mesh_tags", "uniform"],
    ),
    "mesh with a hole": ({"mesh": lambda self: with_hole(self.shape.mesh())}, ["measure", "mesh_inside", "uniform"]),
    "mesh moved": (
        {
            "mesh": lambda self: Mesh(
                self.shape.mesh().points + SMALL, self.shape.mesh().cells, self.shape.mesh().facets
            )
        },
        ["mesh_inside"],
    ),
    "contains moved": (
        {"contains": lambda self, points: self.shape.contains(points + np.array([SMALL, 0]))},
        ["mesh_inside", "normals", "samples", "set_operations", "signed_distance"],
    ),
    "state changed by sampling": (
        {
            "sample": remembering,
            "measure": lambda self, tag: self.shape.measure(tag) * (1 + 1e-12 * len(REMEMBERED)),
        },
        ["unchanged"],
    ),
    "distance positive inside": (
        {"signed_distance": lambda self, p: -self.shape.signed_distance(p)},
        ["signed_distance"],
    ),
    "distance too steep": (
        {"signed_distance": lambda self, p: 1.1 * self.shape.signed_distance(p)},
        ["signed_distance"],
    ),
    "distance moved": ({"signed_distance": lambda self, p: self.shape.signed_distance(p) + SMALL}, ["signed_distance"]),
    "bounds too small": ({"bounds": lambda self: self.shape.bounds() * 0.9}, ["measure", "signed_distance", "uniform"]),
    "wrong set operation": ({"combined": symmetric_everywhere}, ["set_operations"]),
    "anything combines": (
        {
            "combined": lambda self, operation, other: Sound(
                self.shape.combined(operation, getattr(other, "shape", SHEET))
            )
        },
        ["set_operations"],
    ),
    "mesh size ignored": ({"remeshed": lambda self, mesh_size, **options: self}, ["remeshed"]),
}
SMOOTH_FAULTS = {
    "not zero on its part": ("smooth_distance", lambda f: lambda x: f(x) + SMALL),
    "negative inside": ("smooth_distance", lambda f: lambda x: -f(x)),
    "gradient not finite": ("smooth_distance", lambda f: lambda x: jnp.where(x[:, 0] > 1.5, jnp.nan, f(x))),
    "slope": ("smooth_distance", lambda f: lambda x: 2 * f(x)),
    "new each time": ("smooth_distance", lambda f: lambda x: f(x)),
    "bubble not zero": ("bubble", lambda f: lambda x: f(x) + SMALL),
    "bubble too large": ("bubble", lambda f: lambda x: 10 * f(x)),
}


def faulty(changed):
    return dataclasses.dataclass(frozen=True)(type("Wrong", (Sound,), changed))


def suite_of(geometry_class):
    stated = {"plugin": geometry_class, "geometry": geometry_class(), "partner": Sound(Disk((2.0, 0.5), 0.4))}
    return type("Suite", (GeometrySuite,), stated)


def failing(suite, checks):
    failed = {}
    for check in checks:
        try:
            getattr(suite(), f"test_{check}")()
        except pytest.skip.Exception:
            continue
        except Exception as error:  # noqa: BLE001
            failed[check] = error
    return failed


ASKED = [check for check in CHECKS if check not in (*JAX_CHECKS, "constructor", "wrong_arguments")]


def test_the_sound_geometry_passes():
    assert failing(suite_of(Sound), [*ASKED, *JAX_CHECKS]) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault):
    changed, caught_by = FAULTS[fault]
    failed = failing(suite_of(faulty(changed)), ASKED)
    assert sorted(failed) == sorted(caught_by), failed


@pytest.mark.parametrize("fault", SMOOTH_FAULTS)
def test_a_fault_of_a_function_is_caught(fault):
    name, change = SMOOTH_FAULTS[fault]
    made = {}

    def wrong(self, tag):
        function = change(getattr(self.shape, name)(tag))
        return function if fault == "new each time" else made.setdefault(tag, function)

    assert list(failing(suite_of(faulty({name: wrong})), [name])) == [name]


@pytest.mark.parametrize("module", ["netgen", "gmsh"])
def test_a_mesher_that_is_imported_at_discovery_is_caught(module, tmp_path, monkeypatch):
    # The real one may be absent; what counts is that it is imported.
    (tmp_path / f"{module}.py").touch()
    (tmp_path / "conformance_eager.py").write_text(f"import {module}\n\n\nclass Eager:\n    pass\n")
    info = tmp_path / "jno_plugin_eager-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jno-plugin-eager\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[jno.geometries]\neager = conformance_eager:Eager\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    (light,) = (check for check in checks_of("jno-plugin-eager") if check.id == "import:light")
    with pytest.raises(AssertionError, match=f"Importing the plugin imports {module}"):
        light()
    assert "conformance_eager" not in sys.modules
