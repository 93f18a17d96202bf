"""Saving and loading problems: bit for bit, in this and in another process, for evaluation elsewhere and further training."""

import functools
import json
import subprocess
import sys
import textwrap

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import shapely

import jno
from jno_core import Mesh
from jno_core._graph import Model, Placeholder
from jno_core._saving.graph import NODES
from jno_core._train.files import load, save
from jno_core.errors import JnoTypeError, JnoValueError, JnoWarning

np_ = jno.np


def mlp(width=8, inputs=2, outputs=1, key=0, name=""):
    module = eqx.nn.MLP(inputs, outputs, width, 1, jnp.tanh, key=jax.random.key(key))
    return jno.nn.wrap(module, name=name)


def trained(*models):
    for model in models:
        model.optimizer(optax.adam(1e-2))


def poisson():
    """Losses weighed by a balancer, a parameter, trackers, an expression on other points."""
    domain = jno.domain.rect(mesh_size=0.4)
    x, y, _ = domain.variable("interior", exclude_boundary=True)
    xb, yb, _ = domain.variable("boundary", sample=(9, "uniform"))
    u, k = mlp(name="u")(x, y), np_.parameter((1,), name="k").initialize(0.7)
    pde = -k * u.laplacian(x, y) - np_.sin(x) * 2.0 - np.float32(0.5)
    w = jno.fn.adaptive.relobralo([pde.mse, u(xb, yb).mse], alpha=0.9)
    return [w[0] * pde.mse, (w[1] * u(xb, yb).mse).name("wall"), u.mean.tracker(2), u.tracker(3, reduce=np.linalg.norm)]


def heat():
    """Time, an initial condition, a point set at one time, integrals over space and time."""
    domain = jno.domain.line(mesh_size=0.25, time=(0.0, 1.0, 4))
    x, t = domain.variable("interior")
    x0, t0 = domain.variable("initial")
    x1, t1 = domain.variable("interior", time_value=0.4)
    u = mlp(name="u")(x, t)
    total = u.integrate()
    return [
        (u.d(t) - u.d2(x)).mse,
        (u(x0, t0) - np_.cos(x0)).mae,
        u(x1, t1).mse,
        (total.integrate(t) - 1.0) ** 2,
        total.tracker(1),
    ]


def differences():
    """Finite differences: variants, an object with options, given and trainable parameters."""
    from jno_plugin_fd import FiniteDifference

    domain = jno.domain.rect(mesh_size=0.4)
    x, y, _ = domain.variable("interior")
    u = mlp(name="u")(x, y)
    first = u.d(x, scheme="finite_difference")
    params = first.default_params()
    given = u.d(y, scheme=FiniteDifference(), params=u.d(y, scheme=FiniteDifference()).default_params())
    scaled = first + u.laplacian(x, y, scheme="finite_difference:uniform")
    assert jax.tree.leaves(params) is not None
    return [(scaled - given).mse, u.mse]


def integrals():
    """A Fredholm kernel, a Gauss rule, an integral over the boundary with normals."""
    domain = jno.domain.rect(mesh_size=0.4)
    x, y, _ = domain.variable("interior")
    s, r, _ = domain.variable("interior")
    *_, nx, ny = domain.variable("boundary", normals=True, split=True)
    u = mlp(name="u")(x, y)
    kernel = (np_.exp(-((x - s) ** 2)) * u(s, r)).integrate(x)
    return [(u - kernel).mse, (u * u).integrate(order=3), (nx * nx + 2 * ny).integrate() ** 2]


def instances():
    """Several instances with attached arrays of every layout, and points of their own."""
    domain = 3 * jno.domain.line(mesh_size=0.25)
    x, _ = domain.variable("interior", sample=(3, None), same_points=False)
    k = domain.variable("k", np.linspace(1.0, 2.0, 3, dtype=np.float32)[:, None], per="instance")
    f = domain.variable("f", np.arange(9, dtype=np.float32).reshape(3, 3, 1), per="instance_point", at=x)
    g = domain.variable("g", np.arange(3, dtype=np.float32)[:, None], per="point", at=x)
    h = domain.variable("h", np.float32([[1, 2], [3, 4]]), per="shared")
    u = mlp(inputs=2, name="u")(x, k)
    return [(u - f * g).mse, (u * h[0, 1]).mean ** 2, (k * u).tracker(1)]


def controls():
    """Masks, frozen leaves, constraints, precision, scales, Jacobians in parameters."""
    domain = jno.domain.line(mesh_size=0.25)
    x, _ = domain.variable("interior")
    u, v, w = (mlp(inputs=1, key=i, name=name) for i, name in enumerate("uvw"))
    mask = jax.tree.map(lambda _: False, u.module)
    mask = eqx.tree_at(lambda m: m.layers[0].weight, mask, True)
    u.mask(mask).freeze()
    v.constrain(jax.nn.softplus).scale(0.5)
    w.dtype(jnp.bfloat16).mask(jax.tree.map(lambda _: True, w.module)).constrain(jnp.abs)
    field = u(x)
    return [
        (field - v(x)).mse,
        field.grad(u.mask(mask)).mse,
        field.grad(u)[0].mse,
        (w(x).reshape(-1) * 1.0).mean ** 2,
    ]


def random():
    """Noise of each distribution, dropout, a function that draws."""
    domain = jno.domain.line(mesh_size=0.25)
    x, _ = domain.variable("interior")
    net = eqx.nn.Sequential(
        [eqx.nn.Linear(1, 4, key=jax.random.key(3)), eqx.nn.Dropout(0.5), eqx.nn.Linear(4, 1, key=jax.random.key(4))]
    )
    u = jno.nn.wrap(net, name="u")(x)
    noise = jno.noise.gaussian(0.1) + jno.noise.uniform(-0.1, 0.1) + jno.noise.laplace(0.1)
    return [(u + noise).mse, u.mse]


def functions():
    """Functions of JAX in every form: several results, named arguments, partial ones, losses, joined fields."""
    domain = jno.domain.rect(mesh_size=0.5)
    x, y, _ = domain.variable("interior")
    u = mlp(outputs=2, name="u")(x, y)
    parts = np_.split(u, 2, axis=-1)
    clipped = np_.clip(u, min=-0.5, max=x)
    squared = jno.fn(functools.partial(jnp.clip, max=0.5), [x])
    chosen = np_.where(x > 0.5, u, -u) + np_.concat([x, y]) @ np.float32([[1, 2], [3, 4]])
    lengths = np_.linalg.norm(u, axis=-1)
    return [
        parts[0].mse + parts[1].mae,
        jno.fn.huber(clipped, 0.0, delta=0.3),
        jno.fn.relative_l2(squared, y + 1),
        chosen[:, 0:1].std + u[..., None, 1].max - u.min,
        lengths.sum + np_.symgrad(u, [x, y]).mse + np_.abs(u * 1j + 2).mean,
    ]


def hard():
    """Conditions that hold by construction, with distances of the geometry."""
    domain = jno.domain.disk(mesh_size=0.5)
    x, y, _ = domain.variable("interior", sample=(7, "uniform"))
    u = jno.fn.hard_dirichlet(mlp(name="u")(x, y), 1.0)
    v = jno.fn.hard_neumann(mlp(inputs=4, name="v", key=1)(jno.fn.periodic(x, 2.0), y, y), 0.5)
    return [u.laplacian(x, y).mse, v.mse]


def polygons():
    """A polygon with a hole and a further region."""
    domain = jno.domain.csg(shapely.box(0, 0, 1, 1), mesh_size=0.4) - jno.domain.csg(
        shapely.box(0.4, 0.4, 0.6, 0.6), mesh_size=0.4
    )
    domain.region("corner", shapely.box(0, 0, 0.3, 0.3))
    x, y, _ = domain.variable("interior")
    xc, yc, _ = domain.variable("corner", sample=(5, "uniform"))
    u = mlp(name="u")(x, y)
    return [u.d(x, scheme="automatic_differentiation:forward").mse, u(xc, yc).mse]


def clouds():
    """Given points, without a mesh, in four dimensions."""
    rng = np.random.default_rng(0)
    domain = jno.domain.from_array({"interior": rng.uniform(size=(6, 4)), "wall": rng.uniform(size=(3, 4))})
    *space, _ = domain.variable("interior")
    *wall, _ = domain.variable("wall")
    u = mlp(inputs=4, name="u")(*space)
    return [(u.hessian(*space).sum - u.grad(space[0], space[1]).sum) ** 2, u(*wall).mse]


def stacked():
    """Instances of several geometries."""
    domain = jno.domain.stack(
        2 * jno.domain.rect(mesh_size=0.5), jno.domain.disk(mesh_size=0.5), n_interior=6, n_boundary=4
    )
    x, y, _ = domain.variable("interior")
    return [mlp(name="u")(x, y).mse]


def foreign_mesh():
    """A bare mesh with a sub-region."""
    square = jno.domain.rect(mesh_size=0.5).mesh
    mesh = Mesh(square.points, square.cells, square.facets, {"part": np.array([0, 1, 2])})
    domain = jno.domain(mesh)
    x, y, _ = domain.variable("part")
    return [mlp(name="u")(x, y).mse, (x * y).integrate()]


PROBLEMS = [
    poisson,
    heat,
    differences,
    integrals,
    instances,
    controls,
    random,
    functions,
    hard,
    polygons,
    clouds,
    stacked,
    foreign_mesh,
]


def same(a, b):
    return a.dtype == b.dtype and np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


def saved(build, folder):
    crux = jno.core(build())
    trained(*crux.problem.models.values())
    crux.solve(3)
    path = folder / f"{build.__name__}.jno"
    save(crux, path)
    return crux, path


@pytest.fixture(scope="module", params=PROBLEMS, ids=lambda build: build.__name__)
def pair(request, tmp_path_factory):
    """A problem after some training, and what was loaded from its file."""
    crux, path = saved(request.param, tmp_path_factory.mktemp("saved"))
    return crux, load(path)


def roots(crux):
    return [*crux.problem.constraints, *(t.expr for t in crux.problem.trackers.values())]


def test_a_loaded_problem_has_the_same_values_and_goes_on_as_the_other(pair):
    crux, loaded = pair
    assert repr(loaded) == repr(crux)
    key = jax.random.key(7) if "noise" in repr(crux.problem.constraints) else None
    for a, b in zip(crux.eval(roots(crux), key=key), loaded.eval(roots(loaded), key=key), strict=True):
        assert same(a, b)
    trained(*loaded.problem.models.values())
    first, second = crux.solve(4), loaded.solve(4)
    assert np.array_equal(first.total_loss_history, second.total_loss_history)
    assert len(second.logs) == 2
    for name in first.track_names:
        assert np.array_equal(first.tracks(name).values, second.tracks(name).values)
    for name, model in crux.problem.models.items():
        assert eqx.tree_equal(model.module, loaded.problem.models[name].module)
