"""The examples of parameters and of gradients, shortened: the coefficients, and every figure against plain JAX in float64."""

import runpy
from pathlib import Path

import equinox as eqx
import foundax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from matplotlib.image import imread
from scipy.integrate import solve_bvp

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def inverse():
    return runpy.run_path(str(EXAMPLES / "inverse_coefficients.py"))


@pytest.fixture(scope="module")
def gradients():
    return runpy.run_path(str(EXAMPLES / "gradient_analysis.py"))


@pytest.fixture(scope="module")
def analysis(gradients, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return gradients["main"](epochs=620, plot="analysis.png"), folder


def test_the_three_coefficients_come_back_to_a_thousandth(inverse, capsys):
    result = inverse["main"](epochs=8000)
    np.testing.assert_allclose(result.found, [0.1, 0.5, 1.0], atol=1e-3)
    np.testing.assert_allclose(result.coefficient_error, np.max(np.abs(result.found - [0.1, 0.5, 1.0])), rtol=1e-6)
    assert result.field_error < 1e-3
    printed = capsys.readouterr().out
    for name, value in zip("abc", result.found, strict=True):
        assert f"{name} = {value:.4f}, true " in printed


def test_worse_measurements_give_worse_coefficients(inverse):
    # A hundredfold noise must show: the figures come from the measurements.
    assert 1e-3 < inverse["main"](epochs=4000, seed=1, noise=3e-2).coefficient_error < 1.0


@pytest.mark.parametrize("k", [1, 2])
def test_the_exact_concentrations_solve_the_boundary_value_problem(inverse, k):
    a, b, c = 0.1, 0.5, 1.0
    x = np.linspace(0, 1, 101)
    solved = solve_bvp(
        lambda s, y: np.stack([y[1], (b * y[1] + c * y[0] - np.sin(k * np.pi * s)) / a]),
        lambda left, right: np.array([left[0], right[0]]),
        x,
        np.zeros((2, 101)),
        tol=1e-8,
    )
    assert solved.success
    np.testing.assert_allclose(inverse["concentrations"](x)[:, k - 1], solved.sol(x)[0], atol=1e-7)


def _figures(network):
    """Cosine, norms and kernel of a network, point by point and in float64."""
    with jax.enable_x64(True):
        params, static = eqx.partition(network, eqx.is_inexact_array)
        flat, unravel = ravel_pytree(jax.tree.map(lambda w: jnp.asarray(w, jnp.float64), params))

        def u(weights, s):
            return eqx.combine(unravel(weights), static)(s[None, None])[0, 0]

        x, ends = jnp.linspace(0.0, 1.0, 51), jnp.array([0.0, 1.0])

        def pde(weights):
            second = jax.vmap(jax.grad(jax.grad(lambda s: u(weights, s))))(x)
            return jnp.mean((second + 4.5 * jnp.pi**2 * jnp.sin(3 * jnp.pi * x)) ** 2)

        def boundary(weights):
            return jnp.mean((jax.vmap(lambda s: u(weights, s))(ends) - ends) ** 2)

        g, h = np.asarray(jax.grad(pde)(flat)), np.asarray(jax.grad(boundary)(flat))
        jacobian = np.asarray(jax.jacobian(lambda w: jax.vmap(lambda s: u(w, s))(x))(flat))
        norms = np.array([np.linalg.norm(g), np.linalg.norm(h)])
        return g @ h / norms.prod(), norms, jacobian @ jacobian.T


# At the end the residual is a small difference of large numbers, which single precision knows to two or three digits.
@pytest.mark.parametrize(("end", "tolerance"), [(0, 1e-5), (-1, 1e-2)])
def test_cosine_norms_and_kernel_are_those_of_plain_jax(analysis, end, tolerance):
    found, _ = analysis
    start = foundax.mlp(1, hidden_dims=32, num_layers=2, key=jax.random.PRNGKey(0))
    cosine, norms, kernel = _figures(found.network if end else start)
    np.testing.assert_allclose(found.cosines[end], cosine, atol=tolerance)
    np.testing.assert_allclose(found.norms[end], norms, rtol=tolerance)
    np.testing.assert_allclose(found.kernels[end], kernel, atol=5e-6 * np.max(kernel))
    eigenvalues = np.linalg.svd(kernel, compute_uv=False)
    np.testing.assert_allclose(found.spectra[end], eigenvalues, atol=2e-6 * eigenvalues[0])
    np.testing.assert_allclose(found.ranks[end], eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rtol=1e-4)


def test_the_analysis_tells_what_happened(analysis):
    found, _ = analysis
    assert found.error < 1e-2
    np.testing.assert_array_equal(found.epochs, [*range(0, 620, 50), 620])
    assert found.cosines.shape == found.ranks.shape == found.epochs.shape
    assert np.all(np.abs(found.cosines) <= 1 + 1e-5)
    assert np.any(found.cosines < 0)
    assert np.any(found.cosines > 0)
    # Training makes room for more shapes: the spectrum falls off more slowly than it did.
    first, last = found.spectra / found.spectra[:, :1]
    assert last[4] > 100 * first[4]
    assert found.ranks[-1] > 1.3 * found.ranks[0]


def test_the_analysis_is_drawn_where_it_is_told_and_nothing_else_is_written(analysis):
    _, folder = analysis
    assert [p.name for p in folder.iterdir()] == ["analysis.png"]
    pixels = imread(folder / "analysis.png")
    assert min(pixels.shape[:2]) > 100
    assert np.ptp(pixels[..., :3]) > 0.5  # something is drawn
