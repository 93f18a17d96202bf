"""What a user decides about a model: optimizers, scales, frozen parts, constraints, precision, initial weights."""

import abc
import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, final

import optax

from jno_core._custom_types import PyTree
from jno_core._graph import checks, initialization, modules
from jno_core._graph.calculus import Parameterised
from jno_core._graph.parameters import Selection
from jno_core.errors import JnoTypeError


@final
@dataclasses.dataclass(frozen=True)
class Settings:
    """The decisions about one model. A `None` selection stands for all trainable parameters.

    Entries of `optimizers` and `scales` are pairs of a selection and what applies to it; at most one per selection.
    """

    optimizers: tuple[tuple[Selection | None, Any], ...] = ()
    scales: tuple[tuple[Selection | None, Any], ...] = ()
    constraints: tuple[tuple[Selection | None, Callable[..., Any]], ...] = ()
    frozen: Selection | bool = False
    dtype: Any = None
    key: Any = None

    def frozen_selection(self, module: PyTree) -> Selection:
        """The leaves that do not train."""
        everything = Selection.everything(module)
        if self.frozen is True:
            return everything
        if self.frozen is False:
            return Selection((False,) * len(everything.leaves))
        return self.frozen


class AbstractControllable(Parameterised):
    """The methods that control a model. All return something to chain further calls on.

    `net.mask(m).optimizer(...)` acts on the leaves that are `True` in `m`, `net.optimizer(...)` on all.
    """

    @abc.abstractmethod
    def controlled(self) -> Any:
        """The model that is acted on."""

    @abc.abstractmethod
    def scope(self) -> Selection | None:
        """The selection that the next call is restricted to, or `None`."""

    @abc.abstractmethod
    def chained(self) -> Any:
        """What a call returns."""

    def mask(self, param_mask: PyTree = None) -> Any:
        """A light handle on the parameters that are `True` in a PyTree of truth values shaped like `net.module`.

        It scopes the call that follows: `optimizer`, `scale`, `freeze`, `constrain`, or `u.grad(net.mask(m))`; the model
        itself is unchanged. `None` selects every floating-point parameter.
        """
        model = self.controlled()
        return model.masked(Selection.from_mask(model.module, param_mask))

    def optimizer(self, opt_fn: Any) -> Any:
        """Train with an optax transformation, or with a factory such as `optax.adam` whose rate `scale` gives.

        Without a mask it replaces all optimizers set before; with one it makes a group, the rest keeps the global one.

        Raises `JnoTypeError` for anything else.
        """
        if not (isinstance(opt_fn, optax.GradientTransformation) or _is_factory(opt_fn)):
            raise JnoTypeError(
                f"optimizer(...) takes an optax transformation such as optax.adam(1e-3), or a factory such as optax.adam "
                f"with the rate in scale(...); got {opt_fn!r}."
            )
        if self.scope() is None:
            return self._set(optimizers=((None, opt_fn),))
        return self._set(optimizers=_with(self.controlled().settings.optimizers, self.scope(), opt_fn))

    def scale(self, schedule: Any) -> Any:
        """Multiply the updates by a rate: a positive number, `rate(epoch)`, `rate(epoch, losses)` or an `AbstractSchedule`.

        For an optimizer given as a bare factory this is the learning rate itself. `None` removes it.
        """
        schedule = checks.checked_rate(schedule)
        scales = self.controlled().settings.scales if self.scope() is not None else ()
        kept = tuple((s, v) for s, v in scales if s != self.scope())
        return self._set(scales=kept if schedule is None else (*kept, (self.scope(), schedule)))

    def freeze(self) -> Any:
        """Train nothing of this model; with a mask, fix the selected parameters and train the rest."""
        return self._set(frozen=True if self.scope() is None else self.scope())

    def unfreeze(self) -> Any:
        """Train the whole model again."""
        return self._set(frozen=False)

    def constrain(self, transform: Callable[..., Any]) -> Any:
        """Use `transform(theta)` wherever the stored parameter is `theta`, as in `net.constrain(jax.nn.softplus)`.

        The stored value keeps its meaning: no inverse is applied to it. Structure, masks and shapes are unchanged; a second
        transform is applied after the first. Done through `paramax.Parameterize`.
        """
        if not callable(transform):
            raise JnoTypeError(f"constrain(...) takes a callable such as jax.nn.softplus, got {transform!r}.")
        model = self.controlled()
        chosen = self.scope() or Selection.everything(model.module)
        chosen.map(functools.partial(checks.check_transform, transform), model.module)
        return self._set(constraints=(*self.controlled().settings.constraints, (self.scope(), transform)))

    def dtype(self, dtype: Any) -> Any:
        """Hold and compute this model's floating-point parameters in another float type; integers are untouched.

        Raises `JnoValueError` unless `dtype` is a floating-point type object such as `jnp.bfloat16`.
        """
        checks.check_dtype(dtype)
        model = self.controlled()
        everything = Selection.everything(model.module)
        model.module = everything.map(lambda leaf: leaf.astype(dtype), model.module)
        return self._set(dtype=dtype)

    def initialize(self, weights: Any, *, key: Any = None) -> Any:
        """Set the weights now: from a file of `jno.save` or an `.eqx` file, a PyTree of the same structure, an array
        (parameters), or by a JAX initializer `(key, shape, dtype)` applied to every floating-point leaf.

        Raises `JnoFileNotFoundError` for a missing file and `JnoValueError` when structure, shape or dtype differ, naming
        the leaf. `key` is the PRNG key of an initializer; by default it follows from the seed.
        """
        model = self.controlled()
        module = initialization.initialized(model.module, weights, key if key is not None else model.settings.key)
        if model.settings.dtype is not None:
            module = Selection.everything(module).map(lambda leaf: leaf.astype(model.settings.dtype), module)
        model.module = modules.checked(module)
        return self.chained()

    def _set(self, **changes: Any) -> Any:
        model = self.controlled()
        model.settings = dataclasses.replace(model.settings, **changes)
        return self.chained()


def _with(pairs: tuple[Any, ...], selection: Selection | None, value: Any) -> tuple[Any, ...]:
    return (*((s, v) for s, v in pairs if s != selection), (selection, value))


def _is_factory(candidate: Any) -> bool:
    if not callable(candidate) or isinstance(candidate, Parameterised):
        return False
    try:
        parameters = inspect.signature(candidate).parameters
    except (TypeError, ValueError):
        return False
    return "learning_rate" in parameters
