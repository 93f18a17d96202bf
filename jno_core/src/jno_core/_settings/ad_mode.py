"""The project's defaults for derivatives. They are read when an expression is built, never while one is computed."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, final

import jax

from jno_core._interfaces import DifferentiationModes
from jno_core._settings.files import FIRST_ORDER, SECOND_ORDER, get_config
from jno_core.errors import JnoTypeError, JnoValueError

DEFAULT_SCHEME = "automatic_differentiation"

_LONG = {"fwd": "forward", "rev": "reverse"}


@final
@dataclasses.dataclass
class _Chosen:
    """What the setters and `setup` chose in this process; `None` leaves it to the configuration."""

    first: str | None = None
    second: str | None = None


_chosen = _Chosen()


def set_ad_mode(mode: str) -> None:
    """Set the default for first derivatives: `"forward"` or `"reverse"`. Expressions built before keep theirs."""
    _chosen.first = _one_of("mode", mode, FIRST_ORDER)


def get_ad_mode() -> str:
    """The default for first derivatives; `"reverse"` when unset."""
    return differentiation_modes().first or "reverse"


def set_hessian_mode(mode: str) -> None:
    """Set the default for second derivatives, such as `"fwd-over-rev"`. Expressions built before keep theirs."""
    _chosen.second = _one_of("mode", mode, SECOND_ORDER)


def get_hessian_mode() -> str:
    """The default for second derivatives; `"fwd-over-rev"` when unset."""
    return differentiation_modes().second or "fwd-over-rev"


def choose_modes(first: str | None, second: str | None) -> None:
    """Set those that are not `None`; neither when one of them is wrong."""
    if first is not None:
        first = _one_of("diff_type", first, FIRST_ORDER)
    if second is not None:
        second = _one_of("hessian_type", second, SECOND_ORDER)
    _chosen.first = first or _chosen.first
    _chosen.second = second or _chosen.second


@contextlib.contextmanager
def isolated_modes() -> Iterator[None]:
    """A block that starts with nothing chosen, and after which holds what was chosen before."""
    before = _chosen.first, _chosen.second
    _chosen.first = _chosen.second = None
    try:
        yield
    finally:
        _chosen.first, _chosen.second = before


def differentiation_modes() -> DifferentiationModes:
    """The modes that were set, by a setter, `setup` or the configuration; `None` where nothing was."""
    config = get_config()
    return DifferentiationModes(
        _chosen.first or config.get("jno.diff_type"), _chosen.second or config.get("jno.hessian_type")
    )


def default_scheme() -> str:
    """The scheme of derivatives that name none: `[jno] scheme`, else automatic differentiation."""
    return get_config().get("jno.scheme", DEFAULT_SCHEME)


def parse_ad_scheme(scheme: str) -> str:
    """`"forward"` or `"reverse"` for a first-order scheme string; the plain family means the project's default.

    Raises `JnoValueError` for another family or suffix.
    """
    return _suffix(scheme, FIRST_ORDER) or get_ad_mode()


def parse_hessian_scheme(scheme: str) -> tuple[str, str]:
    """The pair (outer, inner) of `"forward"`, `"reverse"` for a second-order scheme string.

    `forward` and `reverse` alone mean the same mode twice; the plain family means the project's default.

    Raises `JnoValueError` for another family or suffix.
    """
    mode = _suffix(scheme, FIRST_ORDER + SECOND_ORDER) or get_hessian_mode()
    if mode in FIRST_ORDER:
        return mode, mode
    outer, inner = mode.split("-over-")
    return _LONG[outer], _LONG[inner]


def ad_fn(mode: str) -> Callable[..., Any]:
    """`jax.jacfwd` for `"forward"`, `jax.jacrev` for `"reverse"`.

    Raises `JnoValueError` for another mode.
    """
    return {"forward": jax.jacfwd, "reverse": jax.jacrev}[_one_of("mode", mode, FIRST_ORDER)]


def _suffix(scheme: str, allowed: tuple[str, ...]) -> str | None:
    if not isinstance(scheme, str):
        raise JnoTypeError(f"scheme must be a string such as {DEFAULT_SCHEME!r}, got {scheme!r}.")
    family, colon, suffix = (part.strip() for part in scheme.partition(":"))
    if family != DEFAULT_SCHEME or (colon and suffix not in allowed):
        raise JnoValueError(
            f"scheme must be {DEFAULT_SCHEME!r}, alone or followed by ':' and one of {allowed}; got {scheme!r}."
        )
    return suffix or None


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise JnoValueError(f"{name} must be one of {allowed}; got {value!r}.")
    return value
