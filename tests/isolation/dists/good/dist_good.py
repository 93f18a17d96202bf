"""A plugin without fault."""

from jno_core import AbstractScheme, hookimpl


class Identity(AbstractScheme):
    """Takes every derivative to be the target itself.

    A second paragraph.
    """

    variants = ("left", "right")

    @classmethod
    def from_variant(cls, variant, modes):
        return cls()

    def merges(self, request):
        return False

    def supports(self, request, where):
        return None

    def default_params(self, request, where, key=None):
        return {}

    def prepare(self, requests, where):
        return None

    def apply(self, requests, field, where, params, prepared):
        return tuple(field.values() for _ in requests)


class Watchdog:
    """Stops at once."""

    @hookimpl
    def should_stop(self, step):
        return f"seen enough at {step}"
