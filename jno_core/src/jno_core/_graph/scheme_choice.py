"""Which scheme a derivative node uses: looked up while the graph is built, imported when it is lowered."""

import dataclasses
from typing import Any, final

from jno_core._interfaces import AbstractScheme, DerivativeRequest, DifferentiationModes, Support
from jno_core._registry import registry
from jno_core._settings import default_scheme, differentiation_modes
from jno_core.errors import JnoTypeError, JnoValueError, PluginCapabilityError


@final
@dataclasses.dataclass(frozen=True)
class SchemeChoice:
    """A scheme by name or as an object, with the project's differentiation modes at the time it was chosen."""

    family: str
    variant: str | None
    modes: DifferentiationModes
    instance: AbstractScheme | None = None

    def resolve(self) -> AbstractScheme:
        """The scheme object; imports the plugin that provides it."""
        if self.instance is not None:
            return self.instance
        return registry.get("scheme", self.family).from_variant(self.variant, self.modes)

    def check(self, request: DerivativeRequest, where: Support, target: str) -> None:
        """Raise `PluginCapabilityError` unless the scheme can take the derivative; `target` tells of what, as in "of u"."""
        reason = self.resolve().supports(request, where)
        if reason is not None:
            raise PluginCapabilityError(f"The scheme {str(self)!r} cannot take the {request.kind} {target}: {reason}")

    def __str__(self) -> str:
        if self.instance is not None:
            return repr(self.instance)
        return self.family if self.variant is None else f"{self.family}:{self.variant}"


def choose_scheme(scheme: Any) -> SchemeChoice:
    """The choice that `scheme=` stands for: `None` (the project's default), `"family[:variant]"` or an instance.

    An unknown family or variant raises here, on the user's own line. The plain family needs no import for that.
    """
    modes = differentiation_modes()
    if isinstance(scheme, AbstractScheme):
        return SchemeChoice(type(scheme).__name__, None, DifferentiationModes(), scheme)
    if isinstance(scheme, type) and issubclass(scheme, AbstractScheme):
        raise JnoTypeError(f"scheme={scheme.__name__} is a class; pass an instance: scheme={scheme.__name__}(...).")
    if scheme is None:
        scheme = default_scheme()
    if not isinstance(scheme, str):
        raise JnoTypeError(f"scheme must be a string 'family[:variant]' or an AbstractScheme, got {scheme!r}.")
    family, colon, variant = (part.strip() for part in scheme.partition(":"))
    if not family or (colon and not variant):
        raise JnoValueError(f"scheme={scheme!r} is not of the form 'family' or 'family:variant'.")
    registry.find("scheme", family)
    choice = SchemeChoice(family, variant or None, modes)
    if variant:
        choice.resolve()
    return choice
