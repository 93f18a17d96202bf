"""Functions of expressions: `jno.fn(f, [u, v])` wraps any JAX function; mathematics, losses, equations and balancers by name.

jno.fn.sin(u) + jno.fn.exp(-x)
jno.fn.mse(pred, target)
jno.fn.burgers_1d(u, x, t)
w1, w2 = jno.fn.adaptive.relobralo([loss1, loss2])
"""

import sys
import types
from collections.abc import Callable
from typing import Any

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

adaptive = _BalancerNamespace()


def stop_gradient(e: Any) -> Any:
    """The same expression, treated as a constant by every differentiation."""
    return e.stop_gradient


def __getattr__(name: str) -> Any:
    return getattr(_numpy, name)


class _CallableModule(types.ModuleType):
    def __call__(self, fn: Callable[..., Any], args: Any = (), name: str = "", reduces_axis: int | None = None) -> Any:
        return _numpy.function(fn, args, name, reduces_axis)


sys.modules[__name__].__class__ = _CallableModule
