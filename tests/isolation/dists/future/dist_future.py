"""For a later level of the plugin API only."""

from jno_core import AbstractScheme


class Meshless(AbstractScheme):
    """Not for this API."""

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
