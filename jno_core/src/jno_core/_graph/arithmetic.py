"""Python's operators on expressions, and those that are refused because they cannot mean anything."""

import abc
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from jno_core.errors import JnoTypeError

_UFUNC_SYMBOLS = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.power: "**",
    np.matmul: "@",
    np.floor_divide: "//",
    np.remainder: "%",
    np.greater: ">",
    np.greater_equal: ">=",
    np.less: "<",
    np.less_equal: "<=",
}


class Arithmetic(abc.ABC):
    """Operators of an expression; anything that is not an expression becomes a literal."""

    @abc.abstractmethod
    def _binary(self, symbol: str, left: Any, right: Any) -> Any: ...

    @abc.abstractmethod
    def _apply(self, fn: Any, name: str, *others: Any, **options: Any) -> Any: ...

    @abc.abstractmethod
    def _index(self, index: Any) -> Any: ...

    def __add__(self, other: Any) -> Any:
        return self._binary("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._binary("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._binary("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("/", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._binary("**", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._binary("**", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._binary("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._binary("//", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._binary("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._binary("%", other, self)

    def __matmul__(self, other: Any) -> Any:
        return self._binary("@", self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._binary("@", other, self)

    def __gt__(self, other: Any) -> Any:
        return self._binary(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return self._binary(">=", self, other)

    def __lt__(self, other: Any) -> Any:
        return self._binary("<", self, other)

    def __le__(self, other: Any) -> Any:
        return self._binary("<=", self, other)

    def __neg__(self) -> Any:
        return self._apply(jnp.negative, "negative")

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._apply(jnp.abs, "abs")

    def __getitem__(self, index: Any) -> Any:
        return self._index(index)

    def equal(self, other: Any) -> Any:
        """Elementwise equality; `==` between expressions compares their identity."""
        return self._binary("==", self, other)

    def not_equal(self, other: Any) -> Any:
        """Elementwise inequality; `!=` between expressions compares their identity."""
        return self._binary("!=", self, other)

    @property
    def T(self) -> Any:
        """The full transpose of the value of one instance."""
        return self._apply(jnp.transpose, "transpose")

    @property
    def real(self) -> Any:
        """The real part."""
        return self._apply(jnp.real, "real")

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return self._apply(jnp.imag, "imag")

    @property
    def stop_gradient(self) -> Any:
        """The same value, treated as a constant by every differentiation."""
        return self._apply(jax.lax.stop_gradient, "stop_gradient")

    def reshape(self, *shape: Any) -> Any:
        """The value of one instance in another shape, given as integers or as one tuple."""
        sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return self._apply(jnp.reshape, "reshape", sizes)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        symbol = _UFUNC_SYMBOLS.get(ufunc)
        if symbol is None or method != "__call__" or options:
            raise JnoTypeError(f"numpy.{ufunc.__name__} cannot be traced; use jno.numpy.{ufunc.__name__}.")
        return self._binary(symbol, *inputs)

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        name = f"{function.__module__}.{function.__name__}"
        raise JnoTypeError(f"{name} cannot be traced; use jno.{name}.")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise JnoTypeError(
            "An expression has no values before it is evaluated, so it cannot become an array. "
            "Use the function of the same name in jno.numpy, or evaluate it with crux.eval(expression)."
        )

    def __bool__(self) -> NoReturn:
        raise JnoTypeError(
            "The truth value of an expression is not known while the graph is built. Use jno.numpy.where(condition, a, b); "
            "a chained comparison a < x < b is written jno.numpy.logical_and(a < x, x < b)."
        )

    def __iter__(self) -> NoReturn:
        raise JnoTypeError("An expression cannot be iterated or unpacked. Index it: u[..., 0:1], u[..., 1:2].")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise JnoTypeError(
            "An expression does not change. Make another one, as in jno.numpy.where(condition, value, u) or "
            "jno.numpy.concat([u[..., 0:1], value])."
        )

    def __len__(self) -> NoReturn:
        raise JnoTypeError("An expression has no length; its shape for one instance is expression.aval.shape.")

    def __float__(self) -> NoReturn:
        raise JnoTypeError("An expression is not a number. Evaluate it first: float(crux.eval(expression)).")

    def __int__(self) -> NoReturn:
        raise JnoTypeError("An expression is not a number. Evaluate it first: int(crux.eval(expression)).")
