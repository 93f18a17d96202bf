"""Nodes of the graph under the names of the documentation: `Integral` and `Noise`."""

from typing import Any

from jno_core._graph import Noise as Noise, Placeholder


def Integral(target: Placeholder, integration_var: Any = None) -> Any:
    """The same as `target.integrate(integration_var)`."""
    return target.integrate(integration_var)
