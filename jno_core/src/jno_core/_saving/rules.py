"""How one type of values is described as data and rebuilt from it: both ways side by side."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, final


class Describes(Protocol):
    """What a rule's `describe` is called with: the writer, the value and its place in the file."""

    def __call__(self, writer: Any, value: Any, where: str, /) -> Any: ...


@final
@dataclasses.dataclass(frozen=True)
class Rule:
    """One type of values.

    - `tag`: names the rule in files.
    - `applies(value)`: whether it is for the value; the first rule that applies is taken.
    - `describe(writer, value, where)`: the description, of JSON types. Raises `NotDataError` where there is none.
    - `rebuild(reader, description)`: the value.
    - `shared`: whether the value's identity matters, so that it is stored once.
    - `complete(reader, value, description)`: for shared objects, what is added once everything is there that they refer to.
    """

    tag: str
    applies: Callable[[Any], bool]
    describe: Describes
    rebuild: Callable[[Any, Any], Any]
    shared: bool = False
    complete: Callable[[Any, Any, Any], None] | None = None
