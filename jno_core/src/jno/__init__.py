"""Differential equations with neural networks, written as on paper.

x, y, _ = domain.variable("interior")
u = net(x, y)
pde = -u.laplacian(x, y) - f
crux = jno.core([pde.mse, bc.mse])
crux.solve(5_000)
field = crux.eval(u)
"""

from typing import TYPE_CHECKING

from jno import ad_mode, fn, nn, noise, numpy, schedules
from jno._namespaces import callbacks, domain, lora, np, optimizers, sampler
from jno._training import __getattr__ as __getattr__
from jno._version import __version__
from jno.schedules import LearningRateSchedule, lrs
from jno_core import plugins
from jno_core._graph import Placeholder
from jno_core._settings import get_seed, setup

if TYPE_CHECKING:
    from jno_core._train import Core as core, Statistics as statistics
    from jno_core._train.exported import load_exported
    from jno_core._train.files import load, save

__all__ = [
    "LearningRateSchedule",
    "Placeholder",
    "__version__",
    "ad_mode",
    "callbacks",
    "core",
    "domain",
    "fn",
    "get_seed",
    "load",
    "load_exported",
    "lora",
    "lrs",
    "nn",
    "noise",
    "np",
    "numpy",
    "optimizers",
    "plugins",
    "sampler",
    "save",
    "schedules",
    "setup",
    "statistics",
]
