"""Namespaces that plugins fill: attribute access goes through the registry, `dir()` lists what is installed."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, final

from jno_core._graph import balance
from jno_core._registry import registry
from jno_core.errors import JnoTypeError

_SCHEDULES = ("dlrs",)
"""Schedules that read the losses, which users know as adaptive."""


@final
class PluginNamespace:
    """The plugins of one kind by name, and what `also` adds. A missing name raises the registry's error."""

    def __init__(self, kind: str, path: str, **also: Any) -> None:
        self._kind, self._path, self._also = kind, path, also

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._also:
            return self._also[name]
        return registry.get(self._kind, name)

    def __dir__(self) -> list[str]:
        return [*registry.names(self._kind), *self._also]

    def __repr__(self) -> str:
        return self._path


@final
class BalancerNamespace:
    """Loss balancers: `w1, w2 = jno.fn.adaptive.relobralo([loss1, loss2])` gives one weight per loss.

    Every balancer takes the losses, `mode` (`"raw"`, `"minmax"`, `"l2"`), `eps` (the floor of a loss) and its own options.

    `jno.fn.adaptive.dlrs(...)` is the learning-rate schedule of that name, for `net.scale(...)`.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _SCHEDULES:
            return registry.get("schedule", name)
        rule = registry.get("balancer", name)

        def weigh(losses: Sequence[Any], mode: Any = "raw", eps: float = 1e-12, **options: Any) -> tuple[Any, ...]:
            try:
                inspect.signature(rule).bind(**options)
            except TypeError as e:
                raise JnoTypeError(
                    f"jno.fn.adaptive.{name}: {e}. Its options are mode, eps and {inspect.signature(rule)}."
                ) from e
            return balance(name, rule(**options), losses, mode, eps)

        weigh.__name__ = name
        weigh.__doc__ = rule.__doc__
        return weigh

    def __dir__(self) -> list[str]:
        return sorted({*registry.names("balancer"), *(set(_SCHEDULES) & set(registry.names("schedule")))})

    def __repr__(self) -> str:
        return "jno.fn.adaptive"
