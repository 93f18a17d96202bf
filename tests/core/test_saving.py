"""Saving and loading problems: bit for bit, in this and in another process, for evaluation elsewhere and further training."""

import dataclasses
import functools
import inspect
import subprocess
import sys
import textwrap
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import shapely

import jno
from jno_core import AbstractGeometry, AbstractResampler, Mesh, PointDraw, containers, plugins
from jno_core._graph import BalancedWeight, Placeholder, walk
from jno_core._saving.graph import NODES
from jno_core._train.files import load, save
from jno_core.errors import JnoTypeError, JnoValueError, JnoWarning, PluginNotFoundError

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
    trackers = [u.mean.tracker(2), u.tracker(3, reduce=np.linalg.norm).name("field")]
    return [w[0] * pde.mse, (w[1] * u(xb, yb).mse).name("wall"), *trackers]


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
    v.constrain(jax.nn.softplus).scale(jno.lrs(0.5))
    w.scale(jno.lrs.cosine(100, 0.1)).dtype(jnp.bfloat16).mask(jax.tree.map(lambda _: True, w.module)).constrain(
        jnp.abs
    )
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


class Renewed(AbstractResampler):
    """All points anew every other epoch; counts how often."""

    every: int = 2
    start: int = 1

    def init(self):
        return jnp.asarray(0)

    def select(self, state, view, key):
        return len(view.points) + jnp.arange(len(view.points)), state + 1


def hard():
    """Conditions that hold by construction, with distances of the geometry, on points that are resampled."""
    domain = jno.domain.disk(mesh_size=0.5)
    x, y, _ = domain.variable("interior", sample=(7, "uniform"), resampling_strategy=Renewed())
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
    assert jax.tree.all(jax.tree.map(same, crux._trainer.state.points, loaded._trainer.state.points))
    for name in first.track_names:
        assert np.array_equal(first.tracks(name).values, second.tracks(name).values)
    for name, model in crux.problem.models.items():
        assert eqx.tree_equal(model.module, loaded.problem.models[name].module)


def test_a_loaded_problem_is_stored_in_the_same_bytes(pair, tmp_path):
    path = tmp_path / "again.jno"
    crux, _ = pair
    save(crux, path)
    again = load(path)
    save(again, tmp_path / "third.jno")
    assert (tmp_path / "third.jno").read_bytes() == path.read_bytes()


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_type_of_nodes_has_a_description():
    found = {cls for cls in subclasses(Placeholder) if cls.__module__.startswith("jno") and not inspect.isabstract(cls)}
    assert found == set(NODES)
    for cls, names in NODES.items():
        own = [field.name for field in dataclasses.fields(cls) if field.init and field.name != "label"]
        assert sorted(names) == sorted(own)


def test_the_problems_above_hold_every_type_of_nodes():
    found = set()
    for build in PROBLEMS:
        roots = build()
        balanced = [n.balance for n in walk.nodes(roots) if isinstance(n, BalancedWeight)]
        found |= {type(node) for node in walk.nodes([*roots, *(loss for b in balanced for loss in b.losses)])}
    assert found == set(NODES)


def test_another_process_evaluates_elsewhere_and_goes_on_alike(tmp_path):
    crux, path = saved(poisson, tmp_path)
    script = """
        import sys
        import equinox, numpy as np, optax
        import jno
        crux = jno.load(sys.argv[1])
        u = crux.problem.trackers["field"].expr
        elsewhere = crux.eval(u, domain=jno.domain.rect(mesh_size=0.3))
        for model in crux.problem.models.values():
            model.optimizer(optax.adam(1e-2))
        np.savez(sys.argv[2], elsewhere=elsewhere, history=crux.solve(4).total_loss_history)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(script), path, tmp_path / "found.npz"]
    subprocess.run(arguments, check=True, timeout=200)
    found = np.load(tmp_path / "found.npz")
    u = crux.problem.trackers["field"].expr
    assert np.array_equal(found["elsewhere"], crux.eval(u, domain=jno.domain.rect(mesh_size=0.3)))
    assert np.array_equal(found["history"], crux.solve(4).total_loss_history)


def line(n=5):
    domain = jno.domain.from_array({"interior": np.linspace(0, 1, n)[:, None]})
    return domain, domain.variable("interior")[0]


def cubed(x):
    return x**3


def drawn(x, key=None):
    return x if key is None else x + jax.random.normal(key, x.shape)


class TestFunctions:
    def test_the_compiled_form_evaluates_at_any_number_of_points_and_has_no_derivative(self, tmp_path):
        _, x = line()
        net = mlp(inputs=1, name="u")
        crux = jno.core([(jno.fn(cubed, [net(x)]) - jno.fn(lambda a: a + 1, [x])).mse])
        save(crux, tmp_path / "p.jno")
        loaded = load(tmp_path / "p.jno")
        [expression] = loaded.problem.constraints
        elsewhere = line(8)[0]
        for domain in (None, elsewhere):
            np.testing.assert_allclose(
                loaded.eval(expression, domain=domain), crux.eval(crux.problem.constraints[0], domain=domain), rtol=1e-6
            )
        trained(loaded.problem.models["u"])
        with pytest.raises(JnoValueError, match=r"(?s)test_saving:cubed'.*no derivatives.*functions=\(cubed,\)"):
            loaded.solve(1)

    def test_a_source_in_compiled_form_does_not_hinder_training(self, tmp_path):
        _, x = line()
        crux = jno.core([(mlp(inputs=1, name="u")(x) - jno.fn(lambda a: a + 1, [x])).mse])
        save(crux, tmp_path / "p.jno")
        loaded = load(tmp_path / "p.jno")
        for core in (crux, loaded):
            trained(core.problem.models["u"])
        history = crux.solve(3).total_loss_history
        np.testing.assert_allclose(loaded.solve(3).total_loss_history, history, rtol=1e-6)

    @pytest.mark.parametrize("given", [(cubed,), {f"{cubed.__module__}:cubed": cubed}])
    def test_functions_that_are_passed_train_as_before(self, tmp_path, given):
        _, x = line()
        crux = jno.core([jno.fn(cubed, [mlp(inputs=1, name="u")(x)]).mse])
        trained(crux.problem.models["u"])
        crux.solve(2)
        save(crux, tmp_path / "p.jno")
        loaded = load(tmp_path / "p.jno", functions=given)
        trained(loaded.problem.models["u"])
        assert np.array_equal(loaded.solve(2).total_loss_history, crux.solve(2).total_loss_history)

    def test_functions_of_one_name_are_told_apart_by_number(self, tmp_path):
        _, x = line()
        net = mlp(inputs=1, name="u")
        first, second = (lambda a: a * 2), (lambda a: a * 3)
        crux = jno.core([(jno.fn(first, [net(x)]) + jno.fn(second, [net(x)])).mse])
        trained(net)
        save(crux, tmp_path / "p.jno")
        with pytest.raises(JnoValueError, match="two functions"):
            load(tmp_path / "p.jno", functions=[first, second])
        name = f"{first.__module__}:{first.__qualname__}"
        loaded = load(tmp_path / "p.jno", functions={name: first, f"{name}#2": second})
        trained(loaded.problem.models["u"])
        assert np.array_equal(loaded.solve(2).total_loss_history, crux.solve(2).total_loss_history)

    def test_functions_that_draw_evaluate_without_a_key_only(self, tmp_path):
        _, x = line()
        crux = jno.core([jno.fn(drawn, [x]).mse])
        save(crux, tmp_path / "p.jno")
        loaded = load(tmp_path / "p.jno")
        assert same(loaded.eval(loaded.problem.constraints[0]), crux.eval(crux.problem.constraints[0]))
        with pytest.raises(JnoValueError, match="draws random numbers"):
            loaded.eval(loaded.problem.constraints[0], key=jax.random.key(0))

    def test_functions_stand_for_networks_and_act_on_instances(self, tmp_path):
        domain = 2 * jno.domain.line(mesh_size=0.25)
        x, _ = domain.variable("interior")
        k = domain.variable("k", np.float32([[1.0], [2.0]]), per="instance")
        net = jno.nn.wrap(lambda a, b: a * b, name="product")
        crux = jno.core([net(x, k).mse, jno.fn(lambda a, n: a[:n], [k * x, 2]).mse])
        save(crux, tmp_path / "p.jno")
        loaded = load(tmp_path / "p.jno")
        for a, b in zip(roots(crux), roots(loaded), strict=True):
            np.testing.assert_allclose(loaded.eval(b), crux.eval(a), rtol=1e-6)

    def test_what_cannot_be_exported_keeps_its_name(self, tmp_path):
        _, x = line()

        def printed(a):
            return jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(a.shape, a.dtype), a)

        crux = jno.core([jno.fn(printed, [x]).mse])
        with pytest.warns(JnoWarning, match="printed.*by its name alone"):
            save(crux, tmp_path / "p.jno")
        with pytest.raises(JnoValueError, match=r"printed.*not in the file"):
            load(tmp_path / "p.jno")
        name = f"{printed.__module__}:{printed.__qualname__}"
        loaded = load(tmp_path / "p.jno", functions={name: printed})
        assert same(loaded.eval(loaded.problem.constraints[0]), crux.eval(crux.problem.constraints[0]))


def local_network(width=4):
    class Local(eqx.Module):
        layer: eqx.nn.Linear

        def __call__(self, x):
            return self.layer(x)

    return Local(eqx.nn.Linear(1, width, key=jax.random.key(width)))


@pytest.fixture
def elsewhere():
    """A module with a network class and an activation, which only some processes have imported."""
    module = types.ModuleType("elsewhere")
    source = """
    import equinox as eqx, jax
    def bent(x): return x * x
    class Net(eqx.Module):
        layer: eqx.nn.Linear
        bend: object = eqx.field(static=True)
        def __call__(self, x): return self.bend(self.layer(x))
    """
    exec(textwrap.dedent(source), module.__dict__)
    sys.modules["elsewhere"] = module
    yield module
    sys.modules.pop("elsewhere", None)


class TestNetworks:
    def test_a_class_comes_from_an_imported_module_or_from_the_user(self, tmp_path, elsewhere):
        net = jno.nn.wrap(elsewhere.Net(eqx.nn.Linear(1, 3, key=jax.random.key(0)), jnp.sin), name="u")
        save(net, tmp_path / "u.jno")
        assert eqx.tree_equal(load(tmp_path / "u.jno").module, net.module)
        del sys.modules["elsewhere"]
        with pytest.raises(JnoValueError, match=r"'Net' of 'elsewhere'.*import elsewhere.*classes=\(Net,\).*modules="):
            load(tmp_path / "u.jno")
        assert "elsewhere" not in sys.modules
        assert eqx.tree_equal(load(tmp_path / "u.jno", classes=[elsewhere.Net]).module, net.module)

    def test_functions_in_fields_are_passed(self, tmp_path, elsewhere):
        net = jno.nn.wrap(elsewhere.Net(eqx.nn.Linear(1, 3, key=jax.random.key(0)), elsewhere.bent), name="u")
        x = line()[1]
        expected = jno.core([net(x).mse]).eval(net(x))
        save(net, tmp_path / "u.jno")
        loaded = load(tmp_path / "u.jno", functions=[elsewhere.bent])
        assert same(jno.core([loaded(x).mse]).eval(loaded(x)), expected)
        with pytest.raises(JnoValueError, match=r"'u' uses the function 'elsewhere:bent'.*functions=\(bent,\)"):
            load(tmp_path / "u.jno")

    def test_of_local_classes_the_weights_are_stored(self, tmp_path):
        x = line()[1]
        net = jno.nn.wrap(local_network(), name="u")
        crux = jno.core([net(x).mse])
        with pytest.warns(JnoWarning, match="'u' only the weights"):
            save(crux, tmp_path / "p.jno")
        with pytest.raises(JnoValueError, match=r"'u'.*weights only.*modules=\{'u': network\}"):
            load(tmp_path / "p.jno")
        other = jax.tree.map(lambda a: 0 * a, local_network())
        loaded = load(tmp_path / "p.jno", modules={"u": other})
        assert same(loaded.eval(loaded.problem.constraints[0]), crux.eval(crux.problem.constraints[0]))
        again = jno.nn.wrap(other).initialize(tmp_path / "p.jno")
        assert eqx.tree_equal(again.module.layer, net.module.layer)
        with pytest.raises(JnoValueError, match=r"'layer/weight' of 'u' is float32 \(4, 1\) in the file"):
            load(tmp_path / "p.jno", modules={"u": local_network(5)})
        with pytest.raises(JnoValueError, match="none of them fit"):
            jno.nn.wrap(local_network(5)).initialize(tmp_path / "p.jno")

    def test_flax_networks_take_their_weights(self, tmp_path):
        from flax import linen

        x = line()[1]
        net = jno.nn.wrap(linen.Dense(2), name="u")
        crux = jno.core([net(x).mse])
        with pytest.warns(JnoWarning, match="only the weights"):
            save(crux, tmp_path / "p.jno")
        bare = linen.Dense(2).bind(linen.Dense(2).init(jax.random.key(5), jnp.zeros((3, 1))))
        loaded = load(tmp_path / "p.jno", modules={"u": bare})
        assert same(loaded.eval(loaded.problem.constraints[0]), crux.eval(crux.problem.constraints[0]))

    def test_every_type_of_arrays_and_fields(self, tmp_path, elsewhere):
        fields = {
            "weak": jnp.asarray(2.0),
            "weak_array": jnp.broadcast_to(jnp.asarray(2.0), (2,)) * jnp.asarray(3.0),
            "half": jnp.ones(3, jnp.bfloat16),
            "small": jnp.ones(3, jnp.float8_e4m3fn),
            "complex": jnp.ones(3, jnp.complex64) * 1j,
            "key": jax.random.key(3),
            "keys": jax.random.split(jax.random.key(3, impl="rbg"), 2),
            "host": np.arange(3.0),
            "scalar": np.float64(0.1),
            "nothing": None,
            "numbers": [1, 2.5, float("nan"), -float("inf"), 1 + 2j, True, 10**30],
            "nested": {"a": (1, [2, {"b": ()}]), "b": slice(None, 2), "c": ..., "d": frozenset({"x"})},
            "types": (jnp.float32, np.dtype("int8"), np.int16, float),
        }
        net = elsewhere.Net(fields, jnp.sin)
        save(jno.nn.wrap(net), tmp_path / "u.jno")
        found = load(tmp_path / "u.jno").module.layer
        assert list(found) == list(fields)
        for name in ("weak", "weak_array", "half", "small", "complex", "host", "scalar"):
            assert same(found[name], fields[name]), name
            assert type(found[name]) is type(fields[name])
        for name in ("weak", "weak_array", "half"):
            assert found[name].weak_type == fields[name].weak_type
        for name in ("key", "keys"):
            assert found[name].dtype == fields[name].dtype
            assert same(jax.random.key_data(found[name]), jax.random.key_data(fields[name]))
        assert repr(found["numbers"]) == repr(fields["numbers"])
        assert found["nested"] == fields["nested"]
        assert found["types"] == (*map(jnp.dtype, fields["types"][:3]), float)

    def test_a_changed_class_is_refused(self, tmp_path, elsewhere):
        save(jno.nn.wrap(elsewhere.Net(eqx.nn.Linear(1, 3, key=jax.random.key(0)), jnp.sin)), tmp_path / "u.jno")
        changed = textwrap.dedent("""
        import equinox as eqx
        class Net(eqx.Module):
            layer: object
            other: object
            def __call__(self, x): return x
        """)
        exec(changed, elsewhere.__dict__)
        with pytest.raises(JnoValueError, match=r"'Net' of 'elsewhere' has changed.*no field 'bend'"):
            load(tmp_path / "u.jno")

    def test_trained_weights_that_are_not_finite_can_be_looked_at(self, tmp_path):
        net = mlp(name="u")
        net.module = jax.tree.map(lambda a: a * jnp.nan if eqx.is_array(a) else a, net.module)
        save(net, tmp_path / "u.jno")
        assert np.all(np.isnan(load(tmp_path / "u.jno").module.layers[0].weight))


def test_domains_and_histories(tmp_path):
    domain = jno.domain.rect(mesh_size=0.4, time=(0.0, 1.0, 3))
    x, _, _ = domain.variable("interior", sample=(6, "sobol"))
    domain.variable("k", np.arange(6.0, dtype=np.float32)[:, None], per="point", at=x)
    jno.save(domain, tmp_path / "d.jno")
    loaded = jno.load(tmp_path / "d.jno")
    assert repr(loaded) == repr(domain)
    for a, b in zip(domain.variable("left", sample=3), loaded.variable("left", sample=3), strict=True):
        assert same(domain.points(a), loaded.points(b))
    assert same(loaded.attached()["k"][1].value, domain.attached()["k"][1].value)
    assert type(loaded.geometry) is type(domain.geometry)
    history = jno.statistics([])
    jno.save(history, tmp_path / "h.jno")
    assert jno.load(tmp_path / "h.jno").logs == ()
    with pytest.raises(JnoTypeError, match="takes a problem"):
        jno.save({"a": 1}, tmp_path / "x.jno")


def test_geometries_that_are_no_data_are_left_out_and_the_mesh_stays(tmp_path):
    class Own(AbstractGeometry):
        def __init__(self):
            self.square = jno.domain.rect(mesh_size=0.4).geometry

        @property
        def dimension(self):
            return 2

        def tags(self):
            return {"interior": "interior", "boundary": "boundary"}

        def mesh(self):
            return self.square.mesh()

        def sample(self, tag, n, rng):
            drawn = self.square.sample(tag, n, rng)
            return PointDraw(drawn.points, drawn.normals)

        def contains(self, points):
            return self.square.contains(points)

        def measure(self, tag):
            return self.square.measure(tag)

    domain = jno.domain(Own())
    domain.variable("interior")
    save(domain, tmp_path / "d.jno")
    with pytest.warns(JnoWarning, match="geometry Own of the domain is not in the file"):
        loaded = load(tmp_path / "d.jno")
    assert loaded.geometry is None
    assert np.array_equal(loaded.mesh.points, domain.mesh.points)
    assert len(loaded.points(loaded.variable("interior", sample=(9, "uniform"))[0])) == 9


def test_precision_must_be_that_of_the_file(tmp_path):
    crux = jno.core([line()[1].mse])
    save(crux, tmp_path / "p.jno")
    with jax.enable_x64(True):
        with pytest.raises(JnoValueError, match=r'off, and it is on here.*"jax_enable_x64", False'):
            load(tmp_path / "p.jno")
        save(jno.core([line()[1].mse]), tmp_path / "p.jno")
    with pytest.raises(JnoValueError, match='"jax_enable_x64", True'):
        load(tmp_path / "p.jno")


def test_a_missing_plugin_is_named_with_its_distribution(tmp_path):
    rule = plugins.get("balancer", "relobralo")
    own = type("Own", (rule,), {"__module__": __name__, "__qualname__": "Own"})
    globals()["Own"] = own
    try:
        with plugins.temporary("balancer", "own", own):
            x = line()[1]
            (w,) = jno.fn.adaptive.own([x.mse])
            crux = jno.core([w * x.mse])
            save(crux, tmp_path / "p.jno")
            assert same(load(tmp_path / "p.jno").eval(w), crux.eval(w))
        with pytest.raises(
            PluginNotFoundError, match=r"(?s)'own'.*written with the balancer 'own' of the distribution 'temporary'"
        ):
            load(tmp_path / "p.jno")
    finally:
        del globals()["Own"]


def test_deep_graphs(tmp_path):
    x = line()[1]
    deep = x
    for _ in range(3000):
        deep = deep + 1
    save(jno.core([deep.mse]), tmp_path / "p.jno")
    loaded = load(tmp_path / "p.jno")
    assert sum(1 for _ in walk.nodes(loaded.problem.constraints)) == 3000 * 2 + 2


def test_shared_parts_stay_shared(tmp_path):
    x = line()[1]
    table = jnp.arange(5.0)[:, None]
    u = jno.fn(jnp.multiply, [x, table]) + jno.fn(jnp.add, [x, table]) + np_.parameter((1,), name="k")
    save(jno.core([u.mse, (u * u).mse]), tmp_path / "p.jno")
    first, second = load(tmp_path / "p.jno").problem.constraints
    calls = [n for n in walk.nodes([first, second]) if getattr(n, "function_name", None) == "" and len(n.args) == 2]
    assert len(calls) == 2
    assert calls[0].args[1] is calls[1].args[1]
    _, arrays = containers.read(tmp_path / "p.jno", "problem", 1)
    assert sum(a.shape == (5, 1) for a in arrays.values()) == 1
