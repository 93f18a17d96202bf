"""Networks in the graph: `jno.nn.wrap(module)`, or `jno.nn(module)`."""

import sys
import types
from typing import Any, Literal, final

from jno_core._graph import MaskedModel as MaskedModel, Model as Model
from jno_core.errors import JnoNotImplementedError


def wrap(
    module: Any,
    space: Any = None,
    name: str = "",
    weight_path: str | None = None,
    *,
    pointwise: Literal["map"] | None = None,
) -> Model:
    """A network as a `Model` that can be called on expressions and trained.

    `module` is an instance: an Equinox module (called on whole blocks `(N, k)`, or on single points, which is found out and
    mapped), a Flax Linen or NNX module, or a plain callable without parameters. `name` is shown in logs; `weight_path` is an
    `.eqx` file with initial weights. `pointwise="map"` calls a module that works on blocks with one point at a time, so that
    layers such as batch normalisation or attention over the rows cannot mix points; it costs what `jax.vmap` over single
    rows costs.

    Raises `JnoTypeError` for a class or for what cannot be called. `space` comes with architecture search in jno 0.4.
    """
    if space is not None:
        raise JnoNotImplementedError("wrap(space=...) comes with jno 0.4, together with architecture search.")
    return Model(module, name, weight_path, pointwise)


@final
class _CallableModule(types.ModuleType):
    def __call__(self, module: Any, *args: Any, **options: Any) -> Model:
        return wrap(module, *args, **options)


sys.modules[__name__].__class__ = _CallableModule
