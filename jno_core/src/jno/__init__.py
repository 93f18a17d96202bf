"""Differential equations with neural networks, written as on paper.

x, y, _ = domain.variable("interior")
u = net(x, y)
pde = -u.laplacian(x, y) - f
crux = jno.core([pde.mse, bc.mse])
crux.solve(5_000)
field = crux.eval(u)
"""

from jno import ad_mode as ad_mode, fn as fn, nn as nn, noise as noise, numpy as np, numpy as numpy
from jno._namespaces import (
    callbacks as callbacks,
    domain as domain,
    lora as lora,
    optimizers as optimizers,
    sampler as sampler,
)
from jno._version import __version__ as __version__
from jno_core import plugins as plugins
from jno_core._graph import Placeholder as Placeholder
from jno_core._settings import get_seed as get_seed, setup as setup
from jno_core._train import Core as core, Statistics as statistics
