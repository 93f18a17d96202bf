"""One check of a plugin, and how a check says what is wrong."""

import dataclasses
from collections.abc import Callable
from typing import final


@final
@dataclasses.dataclass(frozen=True)
class Check:
    """Something that a plugin must fulfil. Calling it raises `AssertionError` with what was got and what was expected.

    - `id`: what is checked, such as `"scheme:spectral:manufactured"`.
    - `function`: the check itself; it skips, by `pytest.skip`, what the plugin declares not to do.
    """

    id: str
    function: Callable[[], None]

    def __call__(self) -> None:
        self.function()


def require(condition: object, message: str) -> None:
    """Fails with the message unless the condition holds. Unlike `assert`, it also does so under `python -O`."""
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)
