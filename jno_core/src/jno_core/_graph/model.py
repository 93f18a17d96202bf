"""Networks and trainable parameters in the graph."""

import dataclasses
import functools
from collections.abc import Hashable
from typing import Any, Self, final

import equinox as eqx
import jax
import jax.numpy as jnp

from jno_core._custom_types import PyTree
from jno_core._graph import misfit, modules
from jno_core._graph.controls import AbstractControllable, Settings
from jno_core._graph.function import as_node
from jno_core._graph.keys import checked_key
from jno_core._graph.parameters import Selection
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import default_float
from jno_core.errors import JnoTypeError, JnoValueError


@final
class Model(AbstractControllable):
    """A network that can be called on expressions, and what the user decided about its training.

    - `module`: the current parameters as a PyTree; `params` is an alias. After `solve` it holds the trained weights; the
      object that was passed to `wrap` is never changed.
    - `label`: the display name, may be empty.
    - `settings`: optimizers, scales, frozen leaves, constraints, dtype.
    - `pointwise`: `"map"` for a module that must see one point at a time.
    """

    def __init__(
        self, module: Any, name: str = "", weight_path: str | None = None, pointwise: modules.Pointwise = None
    ) -> None:
        if not isinstance(name, str):
            raise JnoTypeError(f"The name of a network must be a string such as 'u', got {name!r}.")
        if pointwise not in (None, "map"):
            raise JnoValueError(f"pointwise must be None or 'map' (one point at a time), got {pointwise!r}.")
        self.pointwise: modules.Pointwise = pointwise
        self.module: PyTree = modules.adapt(module)
        self.name = name
        self.settings = Settings()
        if weight_path is not None:
            self.initialize(weight_path)

    @property
    def params(self) -> PyTree:
        """The current parameters; the same as `module`."""
        return self.module

    def __call__(self, *args: Any) -> "ModelCall":
        """The network's output `(N, C)` at coordinates given as separate arguments `(N, 1)`, in the module's order."""
        nodes = tuple(as_node(arg) for arg in args)
        if not nodes:
            raise JnoTypeError(f"{self!r} must be called on at least one expression, as in net(x, y).")
        if isinstance(self.module, modules.Uninitialised):
            self.module = self.module.initialised(tuple(node.aval for node in nodes))
        effective = self.effective(self.module)
        return ModelCall(self, nodes, modules.convention(effective, nodes, repr(self), self.pointwise))

    def effective(self, module: PyTree) -> PyTree:
        """What is called for stored parameters `module`: constrained, unwrapped (paramax) and in the model's dtype."""
        import paramax  # six milliseconds that the first model pays, not everybody who imports jno

        everything = Selection.everything(module)
        leaves, structure = jax.tree.flatten(module)
        for selection, transform in self.settings.constraints:
            chosen = (selection or everything).leaves
            leaves = [paramax.Parameterize(transform, x) if c else x for x, c in zip(leaves, chosen, strict=True)]
        module = paramax.unwrap(jax.tree.unflatten(structure, leaves))
        if self.settings.dtype is None:
            return module
        return jax.tree.map(lambda x: x.astype(self.settings.dtype) if eqx.is_inexact_array(x) else x, module)

    def masked(self, selection: Selection) -> "MaskedModel":
        """A handle on some of the parameters."""
        return MaskedModel(self, selection)

    def trainable_selection(self) -> Selection:
        """The floating-point leaves that are not frozen."""
        return Selection.everything(self.module).minus(self.settings.frozen_selection(self.module))

    def controlled(self) -> "Model":
        return self

    def scope(self) -> Selection | None:
        return None

    def chained(self) -> Self:
        return self

    def summary(self) -> Self:
        """Print the leaves with shape, dtype and whether they train, and the totals."""
        modules.write_summary(self)
        return self

    def __repr__(self) -> str:
        return self.name or modules.type_name(self.module)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@final
@dataclasses.dataclass(frozen=True)
class MaskedModel(AbstractControllable):
    """A model together with a selection of its parameters, for the one control call or `u.grad` that follows.

    `net.mask(m)` makes it; the model itself is unchanged.
    """

    model: Model
    selection: Selection

    def controlled(self) -> Model:
        return self.model

    def scope(self) -> Selection | None:
        return self.selection

    def chained(self) -> Model:
        return self.model

    def __repr__(self) -> str:
        return f"{self.model!r}.mask(...)"


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ModelCall(Placeholder, AbstractControllable):
    """A model applied to expressions, or a trainable parameter (a model without arguments).

    The methods that control a model may be called here too; they act on the model and return this node.
    """

    model: Model
    args: tuple[Placeholder, ...]
    convention: modules.Convention

    def children(self) -> tuple[Placeholder, ...]:
        return self.args

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        return dataclasses.replace(self, args=children)

    def key(self) -> Hashable:
        return self.model

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        arrays, static = eqx.partition(eqx.nn.inference_mode(self.model.module), eqx.is_array)

        def output(given: tuple[PyTree, tuple[Any, ...]]) -> Any:
            module = self.model.effective(eqx.combine(given[0], static))
            return self.evaluate(module, given[1], None)

        values = (arrays, tuple(node.aval for node in self.args))
        return misfit.traced_shape(
            output, values, self.args, lambda: f"{self.model!r}({', '.join(map(repr, self.args))})"
        )

    def evaluate(self, module: PyTree, values: tuple[Any, ...], key: Any) -> jax.Array:
        """The output for an effective module and argument values."""
        dtype = self.model.settings.dtype
        if dtype is not None:
            values = tuple(v.astype(dtype) if jnp.issubdtype(v.dtype, jnp.floating) else v for v in values)
        return modules.evaluate(module, self.convention, self._rows, values, key)

    @functools.cached_property
    def _rows(self) -> tuple[bool, ...]:
        return modules.per_point(self.args)

    def controlled(self) -> Model:
        return self.model

    def scope(self) -> Selection | None:
        return None

    def chained(self) -> Self:
        return self

    def summary(self) -> Self:
        """Print the summary of the model."""
        self.model.summary()
        return self


def parameter(shape: int | tuple[int, ...], *, key: Any = None, name: str | None = None) -> ModelCall:
    """A trainable array of the given shape, zero at the start; give it an optimizer, and `initialize` it if zero won't do.

    `key` feeds an initializer passed to `initialize`. In the graph and in `eval` it has its own shape, without batch axis.

    Raises `JnoTypeError` for a shape that is no integer or tuple of integers, `JnoValueError` for entries < 1.
    """
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, tuple | list) or any(isinstance(s, bool) or not isinstance(s, int) for s in sizes):
        raise JnoTypeError(f"parameter(shape) takes an integer or a tuple of integers, as in (1,); got {shape!r}.")
    sizes = tuple(sizes)
    if any(s < 1 for s in sizes):
        raise JnoValueError(f"parameter(shape) needs positive integers, as in (1,); got {shape!r}.")
    model = Model(modules.ParameterArray(jnp.zeros(sizes, default_float())), "parameter" if name is None else name)
    if key is not None:
        model.settings = dataclasses.replace(model.settings, key=checked_key(key, "parameter(key=...)"))
    return ModelCall(model, (), "parameter", label=name)
