# type: ignore
# (Runs in the peers' environment, whose packages are not in ours.)
"""jinns."""

import contextlib
import io
import re
from collections.abc import Callable

import equinox as eqx
import jax
import jinns
import optax
from protocol import Size, serve


class Poisson(jinns.loss.PDEStatio):
    """Δu + 1."""

    def equation(self, x: jax.Array, u: object, params: object) -> jax.Array:
        return jinns.loss.laplacian_rev(x, u, params)[None] + 1


def build(size: Size) -> Callable[[int], float]:
    layers = [(eqx.nn.Linear, size.axes, size.width), (jax.nn.tanh,)]
    layers += [(eqx.nn.Linear, size.width, size.width), (jax.nn.tanh,)] * (size.depth - 1)
    layers += [(eqx.nn.Linear, size.width, 1)]
    net, start = jinns.nn.PINN_MLP.create(key=jax.random.PRNGKey(0), eqx_list=tuple(layers), eq_type="PDEStatio")
    params = jinns.parameters.Params(nn_params=start, eq_params={})
    data = jinns.data.CubicMeshPDEStatio(
        key=jax.random.PRNGKey(1),
        n=size.points,
        nb=size.boundary or None,
        dim=size.axes,
        min_pts=(0.0,) * size.axes,
        max_pts=(1.0,) * size.axes,
    )
    edge = jinns.loss.Dirichlet() if size.boundary else None
    weights = jinns.loss.LossWeightsPDEStatio(dyn_loss=1.0, **({"boundary_loss": 1.0} if edge else {}))
    loss = jinns.loss.LossPDEStatio(
        u=net, dynamic_loss=Poisson(), boundary_condition=edge, loss_weights=weights, params=params
    )

    def timed(steps: int) -> float:
        # Every call compiles anew, and says how long it took without that.
        with contextlib.redirect_stdout(io.StringIO()) as said:
            jinns.solve(
                n_iter=steps,
                init_params=params,
                data=data,
                loss=loss,
                optimizer=optax.adam(1e-3),
                print_loss_every=10**9,
            )
        found = re.search(r"Training took\s+([\d.e+-]+)", said.getvalue())
        assert found is not None, "jinns no longer says how long training took"
        return float(found[1]) / steps

    return timed


serve(build)
