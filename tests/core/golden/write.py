"""Write files of the formats as they are now, for the tests of later versions: `python tests/core/golden/write.py 1`.

Run once, when a format gets a new number; files of earlier numbers stay as they are.
"""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jno

HERE = Path(__file__).parent


def optimizers():
    """Files hold states of optimizers, not their functions."""
    return {"u": optax.adam(1e-2), "scale": optax.sgd(1e-2)}


def problem():
    """Two instances with normals, an attached array, a parameter, a balancer, a schedule, a tracker and a mesh stencil.

    And an expression to export.
    """
    domain = 2 * jno.domain.rect(mesh_size=0.34)
    x, y, _ = domain.variable("interior")
    xb, yb, _, nx, _ = domain.variable("boundary", 6, normals=True, split=True)
    k = domain.variable("k", np.array([[1.0], [2.0]]), per="instance")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(0)), name="u")
    net.optimizer(optimizers()["u"]).scale(jno.lrs.cosine(20, 1.0))
    scale = jno.np.parameter((1,), name="scale").optimizer(optimizers()["scale"])
    inside = (k * net(x, y).laplacian(x, y) - scale * jno.np.sin(3 * x)).mse
    on_boundary = (net(xb, yb) - 0.1 * nx).mse
    weights = jno.fn.adaptive.relobralo([inside, on_boundary])
    slope = net(x, y).d(x, scheme="finite_difference").tracker(2).name("slope")
    return jno.core([weights[0] * inside, weights[1] * on_boundary, slope]), net(x, y).grad(x, y)


def evaluated(crux):
    """The tracked slope at all nodes."""
    return np.asarray(crux.eval(crux.problem.trackers["slope"].expr))


def continued(crux):
    """The losses and tracked slopes of a history that goes on for three epochs more."""
    for name, model in crux.problem.models.items():
        model.optimizer(optimizers()[name])
    crux.solve(3)
    return {
        "losses": crux.statistics.total_loss_history,
        "slopes": np.asarray(crux.statistics.tracks("slope").values),
    }


def main(number):
    """The files `NAME_vNUMBER`, and what the later version shall find in them."""
    crux, field = problem()
    crux.solve(4)
    crux.save(HERE / f"problem_v{number}.jno")
    crux.export(field, HERE / f"function_v{number}.jno")
    at = np.linspace(0, 1, 5, dtype=np.float32)
    found = {"evaluated": evaluated(crux), "function": jno.load_exported(HERE / f"function_v{number}.jno")(x=at, y=at)}
    np.savez(HERE / f"expected_v{number}.npz", **found, **continued(crux))


if __name__ == "__main__":
    main(sys.argv[1])
