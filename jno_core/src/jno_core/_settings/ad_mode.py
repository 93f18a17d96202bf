"""The project's defaults for derivatives. They are read when an expression is built, never while one is computed."""

import dataclasses
from collections.abc import Callable
from typing import Any, final

import jax

from jno_core._interfaces import DifferentiationModes
from jno_core._settings.files import FIRST_ORDER, SECOND_ORDER, get_config
from jno_core.errors import JnoValueError

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


def reset_modes() -> None:
    """Forget what the setters and `setup` chose."""
    _chosen.first = _chosen.second = None


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
    variant = _variant(scheme)
    return get_ad_mode() if variant is None else _one_of("the suffix of scheme", variant, FIRST_ORDER)


def parse_hessian_scheme(scheme: str) -> tuple[str, str]:
    """The pair (outer, inner) of `"forward"`, `"reverse"` for a second-order scheme string.

    `forward` and `reverse` alone mean the same mode twice; the plain family means the project's default.

    Raises `JnoValueError` for another family or suffix.
    """
    variant = _variant(scheme)
    if variant in FIRST_ORDER:
        return variant, variant
    mode = get_hessian_mode() if variant is None else _one_of("the suffix of scheme", variant, SECOND_ORDER)
    outer, inner = mode.split("-over-")
    return _LONG[outer], _LONG[inner]


def ad_fn(mode: str) -> Callable[..., Any]:
    """`jax.jacfwd` for `"forward"`, `jax.jacrev` for `"reverse"`.

    Raises `JnoValueError` for another mode.
    """
    return {"forward": jax.jacfwd, "reverse": jax.jacrev}[_one_of("mode", mode, FIRST_ORDER)]


def _variant(scheme: str) -> str | None:
    family, _, variant = (part.strip() for part in scheme.partition(":"))
    if family != DEFAULT_SCHEME:
        raise JnoValueError(f"{scheme!r} is not a scheme of automatic differentiation ({DEFAULT_SCHEME!r}).")
    return variant or None


def _one_of(what: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise JnoValueError(f"{what} must be one of {', '.join(map(repr, allowed))}; got {value!r}.")
    return value
