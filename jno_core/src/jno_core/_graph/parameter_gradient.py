"""The Jacobian of an expression in the parameters of a network: `u.grad(net)`."""

import dataclasses
from collections.abc import Hashable
from typing import Any, ClassVar, final

import jax

from jno_core._graph import walk
from jno_core._graph.model import MaskedModel, Model, ModelCall
from jno_core._graph.parameters import Selection
from jno_core._graph.placeholder import Placeholder
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NetworkGradient(Placeholder):
    """The derivatives of `target` in the selected parameters of `model`, flattened to one last axis of length P.

    `(N, P)` for a target `(N, 1)` or `(N,)`, `(N, C, P)` for `(N, C)`, `(P,)` for a scalar. Parameters come in PyTree
    order, each flattened row by row. An ordinary node: it may be tracked, trained on or stopped. Inside the graph an
    expression is one instance, so `J[0]` with a bare integer selects that instance and changes nothing.
    """

    target: Placeholder
    model: Model
    selection: Selection

    selects_instance: ClassVar[bool] = True

    def children(self) -> tuple[Placeholder, ...]:
        return (self.target,)

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        return dataclasses.replace(self, target=children[0])

    def key(self) -> Hashable:
        return self.model, self.selection.key

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        aval, p = self.target.aval, self.selection.size(self.model.module)
        if aval.ndim > 2:
            raise JnoValueError(
                f"u.grad(net) needs a scalar or a field (N, C); {self.target!r} has shape {aval.shape}."
            )
        shape = aval.shape[:1] if aval.ndim == 2 and aval.shape[1] == 1 else aval.shape
        return jax.ShapeDtypeStruct((*shape, p), aval.dtype)


def gradient(target: Placeholder, parameterised: Any) -> NetworkGradient:
    """The node for `target.grad(net)`, `target.grad(net.mask(m))` or `target.grad(parameter)`.

    Without a mask all trainable parameters are selected; `net.mask(None)` selects all floating-point parameters.

    Raises `JnoValueError` when nothing is selected or the target does not contain the model.
    """
    if isinstance(parameterised, ModelCall):
        model, selection = parameterised.model, parameterised.model.trainable_selection()
    elif isinstance(parameterised, MaskedModel):
        model, selection = parameterised.model, parameterised.selection
    elif isinstance(parameterised, Model):
        model, selection = parameterised, parameterised.trainable_selection()
    else:
        raise JnoTypeError(f"u.grad(net) takes a model, got {parameterised!r}.")
    if not any(isinstance(node, ModelCall) and node.model is model for node in walk.nodes([target])):
        raise JnoValueError(
            f"{target!r} does not contain {model!r}, so its derivative in these parameters is zero. Pass a network "
            "that it is built from."
        )
    if selection.size(model.module) == 0:
        raise JnoValueError(
            f"{model!r} has no trainable parameter to differentiate in. A frozen network is differentiated in all of its "
            "parameters by u.grad(net.mask(None))."
        )
    return NetworkGradient(target, model, selection)
