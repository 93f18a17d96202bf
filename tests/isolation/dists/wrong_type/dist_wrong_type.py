"""None of its objects fulfils the contract of its kind."""

from jno_core import AbstractScheme


class Unfinished(AbstractScheme):
    """Abstract still."""


def scheme():
    return Unfinished


callback = object()
