"""The API page on problems: `core`, `solve`, `eval`, printed shapes, the history, `jno.fn`, and defaults of derivatives."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core._settings import isolated_modes
from jno_core.errors import JnoValueError

AD = "automatic_differentiation"


def heat():
    """u_t = u_xx with u = sin(pi x) at the start, and the one-parameter field a exp(-pi^2 t) sin(pi x)."""
    domain = jno.domain.line(mesh_size=0.25, time=(0.0, 0.5, 3))
    x, t = domain.variable("interior")
    x0, _ = domain.variable("initial")
    a = jno.np.parameter((1,), name="a").initialize(0.5).optimizer(optax.sgd(0.25))
    u = a * jno.np.exp(-(jno.np.pi**2) * t) * jno.np.sin(jno.np.pi * x)
    pde = u.d(t) - u.d2(x)
    ini = a * jno.np.sin(jno.np.pi * x0) - jno.np.sin(jno.np.pi * x0)
    return domain, jno.core([pde.mse.name("pde"), ini.mse.name("ini")]), a, u, pde, ini


def descent(epochs):
    """The losses and the parameter of `heat` in closed form: the residual vanishes, the mean of sin^2 on the nodes is 2/5."""
    losses, a = [], 0.5
    for _ in range(epochs):
        losses.append(0.4 * (a - 1) ** 2)
        a -= 0.25 * 0.4 * (a - 1)
    return np.array(losses), a


def test_a_problem_in_space_and_time_trains_as_in_closed_form():
    """The total is the mean of both losses, of which the first stays zero."""
    _, crux, a, *_ = heat()
    history = crux.solve(8)
    losses, found = descent(8)
    np.testing.assert_allclose(crux.eval(a), [found], rtol=1e-5)
    np.testing.assert_allclose(history.training_logs[0]["losses"][:, 1], losses, rtol=1e-4)
    np.testing.assert_allclose(history.training_logs[0]["losses"][:, 0], 0, atol=1e-8)
    np.testing.assert_allclose(history.total_loss_history, losses / 2, rtol=1e-4)


def test_the_history_is_that_of_all_calls(tmp_path, capsys):
    _, crux, *_ = heat()
    crux.solve(epochs=5)
    history = crux.solve(epochs=3)
    losses, _ = descent(8)
    assert history.total_loss_history.shape == (8,)
    assert history.total_loss == history.total_loss_history[-1]
    np.testing.assert_allclose(history.training_logs[-1]["total_loss"], losses[5:] / 2, rtol=1e-4)
    assert history.plot(str(tmp_path / "runs" / "loss.png")) is history
    assert (tmp_path / "runs" / "loss.png").read_bytes().startswith(b"\x89PNG")
    history.summary()
    assert "pde" in capsys.readouterr().out
    history.save(str(tmp_path / "history.safetensors"))
    again = jno.statistics.load(str(tmp_path / "history.safetensors"))
    np.testing.assert_array_equal(again.total_loss_history, history.total_loss_history)


def test_nothing_is_recorded_before_training():
    _, crux, *_ = heat()
    assert crux.statistics.total_loss is None


def test_an_expression_is_evaluated_at_all_times_and_on_other_domains():
    domain, crux, _, u, pde, ini = heat()
    value, residual, start = crux.eval([u, pde, ini])
    x, t = np.linspace(0, 1, 5), np.linspace(0, 0.5, 3)
    exact = 0.5 * np.exp(-(np.pi**2) * t)[:, None] * np.sin(np.pi * x)
    np.testing.assert_allclose(value[0, :, :, 0], exact, atol=1e-6)
    np.testing.assert_allclose(residual, 0, atol=1e-5)
    np.testing.assert_allclose(start[0, :, 0], -0.5 * np.sin(np.pi * x), atol=1e-6)
    np.testing.assert_allclose(crux.eval(u, min_consecutive=2)[0, :, :, 0], exact[:2], atol=1e-6)
    fine = jno.domain.line(mesh_size=0.125, time=(0.0, 1.0, 2))
    elsewhere = crux.eval(u, domain=fine)
    exact = 0.5 * np.exp(-(np.pi**2) * np.array([[0.0], [1.0]])) * np.sin(np.pi * np.linspace(0, 1, 9))
    np.testing.assert_allclose(elsewhere[0, :, :, 0], exact, atol=1e-6)
    np.testing.assert_array_equal(crux.eval(u), value)
    assert crux.domain is domain


def test_samples_without_a_posterior():
    _, crux, a, *_ = heat()
    np.testing.assert_array_equal(crux.eval(a, samples="point"), crux.eval(a))
    with pytest.raises(JnoValueError, match="posterior"):
        crux.eval(a, samples="chain")


def test_shapes_are_printed_for_every_constraint(capsys):
    _, crux, *_ = heat()
    assert crux.print_shapes() is crux
    printed = capsys.readouterr().out
    assert "pde:" in printed
    assert "ini:" in printed
    assert "(5, 1)" in printed
    assert "()" in printed


def test_constraints_of_parameters_alone_need_the_domain_named():
    a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(0.25))
    loss = (a - 2.0).mse
    with pytest.raises(JnoValueError, match="domain"):
        jno.core([loss])
    crux = jno.core([loss], domain=jno.domain.from_array({"interior": np.zeros((3, 1))}))
    crux.solve(2)
    np.testing.assert_allclose(crux.eval(a), [1.5], rtol=1e-6)


@pytest.mark.parametrize(("epochs", "inner"), [(12, 4), (12, 12)])
def test_fused_steps_change_nothing(epochs, inner):
    _, crux, a, *_ = heat()
    crux.solve(epochs, inner_steps=inner)
    np.testing.assert_allclose(crux.eval(a), [descent(epochs)[1]], rtol=1e-5)
    with pytest.raises(JnoValueError, match="must divide"):
        crux.solve(epochs, inner_steps=5)


@pytest.mark.parametrize(("text", "seed"), [(None, 42), ("7", 7)])
def test_the_seed_comes_from_the_environment_or_is_42(monkeypatch, tmp_path, text, seed):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("JNO_SEED", raising=False)
    if text is not None:
        monkeypatch.setenv("JNO_SEED", text)
    assert jno.get_seed() == seed


def test_functions_and_losses_of_the_namespace():
    points = np.linspace(0.25, 2.0, 8)[:, None]
    domain = jno.domain.from_array({"interior": points})
    x, _ = domain.variable("interior")
    u, v = jno.np.sqrt(x), x**2
    custom = jno.fn(lambda a, b: a**2 + b, [u, v], name="my_op")
    pde = jno.fn.sin(u) + jno.fn.exp(-x)
    pred, target = np.sqrt(points), points**2
    r = pred - target
    losses = {
        "mse": np.mean(r**2),
        "mae": np.mean(np.abs(r)),
        "rmse": np.sqrt(np.mean(r**2)),
        "huber": np.mean(np.where(np.abs(r) <= 1, r**2 / 2, np.abs(r) - 0.5)),
        "log_cosh": np.mean(np.log(np.cosh(r))),
        "relative_l2": np.linalg.norm(r) / np.linalg.norm(target),
    }
    nodes = [custom, pde, *(getattr(jno.fn, name)(u, v) for name in losses)]
    first, second, *values = jno.core([], domain=domain).eval(nodes)
    assert "my_op" in repr(custom)
    np.testing.assert_allclose(first[0], points + points**2, rtol=1e-6)
    np.testing.assert_allclose(second[0], np.sin(pred) + np.exp(-points), rtol=1e-6)
    np.testing.assert_allclose(np.concatenate(values), list(losses.values()), rtol=1e-5)


@jax.custom_vjp
def reverse_only(x):
    """x^3, which JAX can differentiate backwards only."""
    return x**3


reverse_only.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))


def with_script_defaults(tmp_path, **modes):
    jno.setup(tmp_path / "run", **modes)


def with_a_file(tmp_path, diff_type=None, hessian_type=None):
    lines = [f'{k} = "{v}"' for k, v in {"diff_type": diff_type, "hessian_type": hessian_type}.items() if v]
    (tmp_path / ".jno.toml").write_text("\n".join(["[jno]", *lines, ""]))


@pytest.fixture
def plain_folder(tmp_path, monkeypatch):
    """An empty folder without configuration; the modes and log files set meanwhile are forgotten at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    logger = logging.getLogger("jno")
    handlers, level = list(logger.handlers), logger.level
    with isolated_modes():
        yield tmp_path
    for handler in set(logger.handlers) - set(handlers):
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize("set_defaults", [with_script_defaults, with_a_file])
def test_the_plain_string_obeys_the_projects_defaults_and_a_named_one_does_not(plain_folder, set_defaults):
    """A field without forward mode tells which mode was used; in reverse its derivatives are 3 x^2 and 6 x."""
    points = np.linspace(0.25, 1.0, 4)[:, None]
    domain = jno.domain.from_array({"interior": points})
    x, _ = domain.variable("interior")
    u = jno.np.function(reverse_only, [x])
    crux = jno.core([], domain=domain)
    assert (jno.ad_mode.get_ad_mode(), jno.ad_mode.get_hessian_mode()) == ("reverse", "fwd-over-rev")

    set_defaults(plain_folder, diff_type="reverse", hessian_type="rev-over-rev")
    assert (jno.ad_mode.get_ad_mode(), jno.ad_mode.get_hessian_mode()) == ("reverse", "rev-over-rev")
    first, second = crux.eval([u.d(x, scheme=AD), u.d2(x)])
    np.testing.assert_allclose(first[0], 3 * points**2, rtol=1e-6)
    np.testing.assert_allclose(second[0], 6 * points, rtol=1e-6)
    made_before = u.d(x)

    set_defaults(plain_folder, diff_type="forward", hessian_type="fwd-over-fwd")
    assert (jno.ad_mode.get_ad_mode(), jno.ad_mode.get_hessian_mode()) == ("forward", "fwd-over-fwd")
    for derivative in (u.d(x), u.d2(x), u.d2(x, scheme=f"{AD}:forward")):
        with pytest.raises(TypeError, match="custom_vjp"):
            crux.eval(derivative)
    for derivative in (u.d(x, scheme=f"{AD}:reverse"), made_before):
        np.testing.assert_allclose(crux.eval(derivative)[0], 3 * points**2, rtol=1e-6)
    np.testing.assert_allclose(crux.eval(u.d2(x, scheme=f"{AD}:reverse"))[0], 6 * points, rtol=1e-6)


@pytest.mark.parametrize(
    ("string", "pair"),
    [
        ("forward", ("forward", "forward")),
        ("reverse", ("reverse", "reverse")),
        ("fwd-over-rev", ("forward", "reverse")),
        ("fwd-over-fwd", ("forward", "forward")),
        ("rev-over-rev", ("reverse", "reverse")),
        ("rev-over-fwd", ("reverse", "forward")),
    ],
)
def test_strings_name_the_composition_that_they_are(string, pair):
    """`outer(inner(f))` of `ad_fn` is the Hessian of f, whatever the string."""
    assert jno.ad_mode.parse_hessian_scheme(f"{AD}:{string}") == pair
    outer, inner = map(jno.ad_mode.ad_fn, pair)
    H = outer(inner(lambda p: jnp.sin(p[0]) * p[1] ** 2))(jnp.array([0.5, 2.0]))
    exact = [[-np.sin(0.5) * 4, 4 * np.cos(0.5)], [4 * np.cos(0.5), 2 * np.sin(0.5)]]
    np.testing.assert_allclose(H, exact, rtol=1e-6)
