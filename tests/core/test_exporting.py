"""Exported expressions: equal to `crux.eval`, at any number of points, without the code that defined the network."""

import subprocess
import sys
import textwrap

import equinox as eqx
import jax
import jax.numpy as jnp
import meshio
import numpy as np
import pytest

import jno
from jno_core import containers
from jno_core._train.export import export
from jno_core._train.exported import Parity, load_exported
from jno_core._train.nodal import nodal_fields
from jno_core.errors import JnoTypeError, JnoValueError, JnoWarning

np_ = jno.np


def mlp(inputs=2, outputs=1, key=0, name="u"):
    return jno.nn.wrap(eqx.nn.MLP(inputs, outputs, 8, 1, jnp.tanh, key=jax.random.key(key)), name=name)


def exported(expression, domain, path):
    """What `crux.export(expression, path)` writes, read back."""
    crux = jno.core([], domain=domain)
    parity = export(path, expression, domain, crux._trainer.weights, lambda: crux.eval(expression))
    found = load_exported(path)
    assert found.parity == parity
    return crux, found


def plane():
    domain = jno.domain.rect(mesh_size=0.4)
    x, y, _ = domain.variable("interior")
    return domain, x, y, mlp()(x, y)


EXPRESSIONS = {
    "network": lambda d, x, y, u: u,
    "laplacian": lambda d, x, y, u: u.laplacian(x, y),
    "gradient": lambda d, x, y, u: u.grad(x, y),
    "hessian": lambda d, x, y, u: u.hessian(x, y),
    "residual": lambda d, x, y, u: -u.laplacian(x, y) - np_.sin(x) * u**2 + np_.where(x > y, u, 0.0),
    "explicit mode": lambda d, x, y, u: u.d2(x, scheme="automatic_differentiation:fwd-over-rev"),
    "loss": lambda d, x, y, u: u.mse,
    "noise": lambda d, x, y, u: u + jno.noise.gaussian(0.5),
    "hard condition": lambda d, x, y, u: jno.fn.hard_dirichlet(u, 1.0).laplacian(x, y),
    "parameters": lambda d, x, y, u: u * np_.parameter((1,), name="k").initialize(2.0),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_points_hold_for_any_number_of_them(tmp_path, name):
    domain, x, y, u = plane()
    if name == "hard condition":
        x, y, _ = domain.variable("interior", sample=(9, "uniform"))
        u = mlp()(x, y)
    expression = EXPRESSIONS[name](domain, x, y, u)
    crux, found = exported(expression, domain, tmp_path / "u.jno")
    assert found.parity.largest_difference <= 2e-6 * max(1.0, found.parity.largest_value)
    assert [i.name for i in found.inputs] == ["x", "y"]
    cloud = jno.domain.from_array({"interior": np.random.default_rng(0).uniform(0.1, 0.9, (13, 2))})
    points = cloud.points(cloud.variable("interior")[0])
    moved = found(x=points[:, 0], y=points[:, 1:2])
    expected = crux.eval(expression, domain=cloud)
    np.testing.assert_allclose(
        moved, expected[0] if np.ndim(expected) > np.ndim(moved) else expected, rtol=2e-4, atol=2e-5
    )


def test_meshes_and_integrals_are_part_of_the_function(tmp_path):
    domain, x, _, u = plane()
    s, r, _ = domain.variable("interior")
    kernel = (np_.exp(-((x - s) ** 2)) * mlp()(s, r)).integrate(x)
    for expression, inputs in (
        (u.d(x, scheme="finite_difference"), []),
        (u.integrate(order=2), []),
        (kernel + u, ["x", "y"]),
        (u + mlp(key=1)(s, r).mean, ["interior.x", "interior.y", "interior#2.x", "interior#2.y"]),
    ):
        _, found = exported(expression, domain, tmp_path / "u.jno")
        assert [i.name for i in found.inputs] == inputs
        assert found.parity.largest_difference <= 2e-6 * max(1.0, found.parity.largest_value)


def test_time_normals_and_attached_arrays_are_arguments(tmp_path):
    domain = jno.domain.line(mesh_size=0.25, time=(0.0, 1.0, 3))
    x, t = domain.variable("interior")
    u = mlp()(x, t)
    crux, found = exported(u.d(t), domain, tmp_path / "u.jno")
    assert [i.name for i in found.inputs] == ["x", "t"]
    points = domain.points(x)[:, 0]
    np.testing.assert_allclose(found(points, np.full(5, 0.5)), crux.eval(u.d(t))[0, 1], atol=1e-6)
    crux, found = exported(u.integrate(), domain, tmp_path / "u.jno")
    np.testing.assert_allclose(found(t=0.5), crux.eval(u.integrate())[0, 1], rtol=1e-6)

    domain = 2 * jno.domain.rect(mesh_size=0.5)
    *xy, _ = domain.variable("interior")
    k = domain.variable("k", np.float32([[1.0], [2.0]]), per="instance")
    f = domain.variable("f", np.ones((9, 2), np.float32), per="point", at=xy[0])
    shared = domain.variable("s", np.float32([3.0]), per="shared")
    u = mlp(3)(*xy, k) * f * shared
    crux, found = exported(u, domain, tmp_path / "u.jno")
    assert [(i.name, i.shape) for i in found.inputs] == [("x", ("n", 1)), ("y", ("n", 1)), ("f", ("n", 2)), ("k", (1,))]
    points = domain.points(xy[0])
    np.testing.assert_allclose(found(points[:, 0], points[:, 1], np.ones((9, 2)), k=[2.0]), crux.eval(u)[1], rtol=1e-5)

    *_, nx, ny = domain.variable("boundary", normals=True, split=True)
    _, found = exported(nx + 2 * ny, domain, tmp_path / "u.jno")
    normals = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(found([0, 0], [0, 0], normal=normals), [[1.0], [2.0]])


def test_arguments_are_checked(tmp_path):
    domain, _, _, u = plane()
    _, found = exported(u, domain, tmp_path / "u.jno")
    one = np.zeros(3)
    for arguments, named, error, text in (
        ((one,), {}, JnoTypeError, "takes the arguments x, y"),
        ((one, one, one), {}, JnoTypeError, "takes the arguments"),
        ((one,), {"x": one, "y": one}, JnoTypeError, "takes the arguments"),
        ((one,), {"z": one}, JnoTypeError, "takes the arguments"),
        ((one, np.zeros(4)), {}, JnoValueError, "'y' has 4 points where another has 3"),
        ((one, np.zeros((3, 2))), {}, JnoValueError, r"'y' must be float32 of shape \(n, 1\), got .* \(3, 2\)"),
        ((one, one * 1j), {}, JnoValueError, "'y' must be float32"),
    ):
        with pytest.raises(error, match=text):
            found(*arguments, **named)
    assert jax.jit(lambda a: found(a, a))(one).shape == (3, 1)
    assert "x: float32 (n, 1)" in repr(found)


def test_a_network_that_counts_its_points_is_exported_for_them_with_a_warning(tmp_path):
    class Counting(eqx.Module):
        def __call__(self, x, y):
            return x * (1.0 if int(x.shape[0]) > 3 else 2.0) + y

    domain, x, y, _ = plane()
    u = jno.nn.wrap(Counting(), name="u")(x, y)
    crux = jno.core([], domain=domain)
    with pytest.warns(JnoWarning, match="for the points of its domain only"):
        export(tmp_path / "u.jno", u, domain, crux._trainer.weights, lambda: crux.eval(u))
    found = load_exported(tmp_path / "u.jno")
    n = domain.points(x).shape[0]
    assert [i.shape for i in found.inputs] == [(n, 1), (n, 1)]
    with pytest.raises(JnoValueError, match=rf"shape \({n}, 1\)"):
        found(np.zeros(3), np.zeros(3))


def test_what_cannot_be_exported_is_named(tmp_path):
    domain, x, _, _ = plane()

    def outside(a):
        return jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(a.shape, a.dtype), a)

    expression = jno.fn(outside, [x])
    crux = jno.core([], domain=domain)
    with pytest.raises(JnoValueError, match=r"outside\(x\) cannot be exported"):
        export(tmp_path / "u.jno", expression, domain, crux._trainer.weights, lambda: crux.eval(expression))
    assert not (tmp_path / "u.jno").exists()


def test_another_process_evaluates_it_without_the_problem(tmp_path):
    domain, _, _, u = plane()
    _, found = exported(u, domain, tmp_path / "u.jno")
    script = """
        import sys
        import numpy as np
        import jno
        field = jno.load(sys.argv[1])
        assert "equinox.nn._mlp" not in [type(x).__module__ for x in vars(field).values()]
        np.save(sys.argv[2], field(x=np.linspace(0, 1, 7), y=np.zeros(7)))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "u.jno", tmp_path / "v.npy"], check=True, timeout=100
    )
    assert np.array_equal(np.load(tmp_path / "v.npy"), found(x=np.linspace(0, 1, 7), y=np.zeros(7)))


def test_damaged_and_forged_files_are_refused(tmp_path):
    domain, _, _, u = plane()
    path = tmp_path / "u.jno"
    exported(u, domain, path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(content), 50, replace=False):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(JnoValueError, match=r"u\.jno"):
            load_exported(path)
    path.write_bytes(content)
    manifest, arrays = containers.read(path, "exported expression", 1)
    for change in ({"inputs": None}, {"inputs": [{"name": "x"}]}, {"parity": {}}, {"inputs": manifest["inputs"][:1]}):
        containers.write(path, "exported expression", 1, manifest | change, arrays)
        with pytest.raises(JnoValueError, match=r"u\.jno"):
            load_exported(path)


def test_parity():
    assert Parity.of([1.0, np.nan], [1.5, np.nan]) == Parity(0.5, 1.5, 2)
    assert Parity.of([1j], [0.0]).largest_difference == 1.0
    assert np.isnan(Parity.of([1.0], [np.nan]).largest_difference)
    with pytest.raises(JnoValueError, match="shape"):
        Parity.of([1.0], [[1.0]])
    assert "largest difference" in str(Parity(0.5, 1.5, 2))


def test_onnx(tmp_path):
    pytest.importorskip("jax2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    domain, x, y, u = plane()
    crux = jno.core([], domain=domain)
    expression = u.laplacian(x, y) + u
    parity = export(tmp_path / "u.onnx", expression, domain, crux._trainer.weights, lambda: crux.eval(expression))
    assert parity.largest_difference < 1e-6
    session = onnxruntime.InferenceSession(tmp_path / "u.onnx")
    assert session.run(None, {"x": np.zeros((7, 1), np.float32), "y": np.zeros((7, 1), np.float32)})[0].shape == (7, 1)


def test_onnx_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    domain, _, _, u = plane()
    crux = jno.core([], domain=domain)
    with pytest.raises(ImportError, match=r"pip install 'jno-core\[onnx\]'"):
        export(tmp_path / "u.onnx", u, domain, crux._trainer.weights, lambda: crux.eval(u))


class TestNodes:
    """What `crux.export_vtu` writes: `domain.export(path, nodal_fields(...))`."""

    def test_values_at_all_nodes_are_those_of_the_network(self, tmp_path):
        domain, x, y, _ = plane()
        xs, ys, _ = domain.variable("interior", sample=(5, None))
        xb, yb, _ = domain.variable("left")
        u = mlp(outputs=2)
        crux = jno.core([], domain=domain)
        named = {"u": u(xs, ys), "wall": u(xb, yb), "slope": u(x, y).grad(x, y), "wave": u(x, y)[:, 0:1] * 1j + 2}
        domain.export(tmp_path / "u.vtu", nodal_fields(named, domain, crux.eval))
        found = meshio.read(tmp_path / "u.vtu")
        expected = jax.vmap(u.module)(jnp.asarray(domain.mesh.points, jnp.float32))
        np.testing.assert_allclose(found.point_data["u"][:, :2], expected, atol=1e-6)
        nodes = domain.mesh.nodes("left")
        np.testing.assert_allclose(found.point_data["wall"][nodes, :2], expected[nodes], atol=1e-6)
        assert np.isnan(np.delete(found.point_data["wall"][:, 0], nodes)).all()
        assert found.point_data["slope"].shape == (len(domain.mesh.points), 4)
        np.testing.assert_allclose(found.point_data["wave_real"], 2.0)
        np.testing.assert_allclose(found.point_data["wave_imaginary"], expected[:, 0], atol=1e-6)

    def test_instances_and_times_are_fields_of_their_own(self):
        domain = 2 * jno.domain.line(mesh_size=0.5, time=(0.0, 1.0, 3))
        x, t = domain.variable("interior")
        k = domain.variable("k", np.float32([[1.0], [2.0]]), per="instance")
        crux = jno.core([], domain=domain)
        fields = nodal_fields((k * x * t).name("u"), domain, crux.eval)
        assert list(fields) == [f"u_instance{i}_t{s}" for i in (0, 1) for s in ("0", "0.5", "1")]
        np.testing.assert_allclose(fields["u_instance1_t0.5"], domain.mesh.points[:, 0], atol=1e-6)

    def test_what_is_no_field_is_refused(self):
        domain, _, _, u = plane()
        crux = jno.core([], domain=domain)
        for wrong in (u.mse, np_.parameter((2,), name="k"), u + mlp(key=1)(*domain.variable("interior")[:2]).mean):
            with pytest.raises(JnoValueError, match="a field has a value at each point of one"):
                nodal_fields({"w": wrong}, domain, crux.eval)
        with pytest.raises(JnoTypeError, match="mapping of names"):
            nodal_fields({}, domain, crux.eval)
        cloud = jno.domain.from_array({"interior": np.zeros((2, 2))})
        with pytest.raises(JnoValueError, match="needs a mesh"):
            nodal_fields(cloud.variable("interior")[0], cloud, crux.eval)
