"""Functions of expressions: mathematics, losses, residuals of known equations, loss balancers.

- `jno.fn(f, [u, v])` puts any JAX function into the graph; it is `jno.numpy.function`.
- `jno.fn.sin(u)`, `jno.fn.exp(u)`, ...: everything that `jno.numpy` has.
- `jno.fn.mse(pred, target)`, ...: losses.
- `jno.fn.heat(u, t, x, y)`, ...: residuals of partial differential equations.
- `jno.fn.hard_dirichlet(net(x, y), g)`, ...: ansatz functions that satisfy boundary conditions exactly.
- `jno.fn.adaptive.relobralo([loss1, loss2])`, ...: weights that balance losses; `dir(jno.fn.adaptive)` lists those installed.
"""

import sys
import types
from collections.abc import Callable
from typing import Any, final

import jax

from jno import numpy as _numpy
from jno._equations import (
    advection as advection,
    advection_diffusion_reaction as advection_diffusion_reaction,
    allen_cahn as allen_cahn,
    biharmonic as biharmonic,
    burgers_1d as burgers_1d,
    burgers_inviscid_1d as burgers_inviscid_1d,
    cahn_hilliard as cahn_hilliard,
    continuity as continuity,
    diffusion as diffusion,
    fisher_kpp as fisher_kpp,
    heat as heat,
    helmholtz as helmholtz,
    maxwell_3d as maxwell_3d,
    navier_stokes_incompressible_2d as navier_stokes_incompressible_2d,
    poisson as poisson,
    wave as wave,
)
from jno._hard_conditions import (
    hard_dirichlet as hard_dirichlet,
    hard_neumann as hard_neumann,
    hard_robin as hard_robin,
    periodic as periodic,
)
from jno._losses import (
    cauchy as cauchy,
    cosine_similarity as cosine_similarity,
    gradient_alignment as gradient_alignment,
    huber as huber,
    linf as linf,
    log_cosh as log_cosh,
    mae as mae,
    mape as mape,
    mse as mse,
    nmse as nmse,
    quantile as quantile,
    relative_l1 as relative_l1,
    relative_l2 as relative_l2,
    rmse as rmse,
    smooth_l1 as smooth_l1,
)
from jno._views import BalancerNamespace as _BalancerNamespace
from jno_core._graph import Placeholder as _Placeholder
from jno_core._registry.spelling import nearest as _nearest

adaptive = _BalancerNamespace()


def stop_gradient(e: Any) -> Any:
    """The same value, treated as a constant by every differentiation."""
    return e.stop_gradient if isinstance(e, _Placeholder) else jax.lax.stop_gradient(e)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return getattr(_numpy, name)
    except AttributeError:
        near = _nearest(name, __dir__())
        hint = f" Did you mean {near!r}?" if near else ""
        raise AttributeError(f"jno.fn has no {name!r}, and neither has jno.numpy.{hint}") from None


def __dir__() -> list[str]:
    own = {n for n, value in globals().items() if not n.startswith("_") and not isinstance(value, types.ModuleType)}
    return sorted(own | set(dir(_numpy)))


@final
class _CallableModule(types.ModuleType):
    def __call__(
        self, fn: Callable[..., Any], args: Any = (), name: str = "", reduces_axis: int | None = None
    ) -> _Placeholder:
        return _numpy.function(fn, args, name, reduces_axis)


sys.modules[__name__].__class__ = _CallableModule
