"""What stands in the way of storing a value, and of rebuilding one."""

from typing import final

from jno_core.errors import JnoTypeError, JnoValueError


@final
class NotDataError(JnoTypeError):
    """A value that cannot be described by numbers, names and arrays; the writer of what holds it decides what follows."""


@final
class NotRebuiltError(JnoValueError):
    """A stored value whose class or function is not known in this process; the message says what to pass."""
