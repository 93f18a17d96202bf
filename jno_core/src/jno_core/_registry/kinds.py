"""The kinds of plugins: the entry-point group of each, its words in messages, and its contract."""

import dataclasses
import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, final

from jno_core._interfaces import AbstractBalancer, AbstractGeometry, AbstractResampler, AbstractSchedule, AbstractScheme
from jno_core._registry.spelling import nearest
from jno_core.errors import JnoKeyError

_FAMILY = re.compile(r"[a-z][a-z0-9_]*")


@final
@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of plugin.

    - `name`: the kind, as in `jno plugins`.
    - `group`: the entry-point group of API level 1; level n is `group + ".vn"`.
    - `words`: what messages call it.
    - `contract`: the abstract base that the object must derive from, or `"class"`, or `"callable"` for any class or
      function.
    - `usage`: how a user names one, with `{}` for the name.
    - `level`: the API level of this jno-core.
    """

    name: str
    group: str
    words: str
    contract: type | Literal["class", "callable"]
    usage: str
    level: int = 1

    def validate(self, obj: Any) -> str | None:
        """`None` if `obj` fulfils the contract; else what it is and what was expected, to follow a subject."""
        if isinstance(self.contract, type):
            expected = f"a class derived from jno_core.{self.contract.__name__}"
            if not (isinstance(obj, type) and issubclass(obj, self.contract)):
                return f"is {_describe(obj)}; it must be {expected}."
            if inspect.isabstract(obj):
                missing = ", ".join(repr(method) for method in sorted(obj.__abstractmethods__))
                return f"is {_describe(obj)}, which is abstract; it must be {expected} that defines {missing}."
            return None
        if self.contract == "class":
            return None if isinstance(obj, type) else f"is {_describe(obj)}; it must be a class."
        return None if callable(obj) else f"is {_describe(obj)}; it must be a class or a function."


def _describe(obj: Any) -> str:
    if isinstance(obj, type):
        return f"the class {obj.__name__}"
    if inspect.isroutine(obj):
        return f"the function {obj.__name__}"
    if inspect.ismodule(obj):
        return f"the module {obj.__name__}"
    return f"an instance of {type(obj).__name__}"


def _kinds() -> Mapping[str, Kind]:
    kinds = (
        Kind("scheme", "jno.schemes", "differentiation scheme", AbstractScheme, "scheme='{}'"),
        Kind("geometry", "jno.geometries", "geometry", AbstractGeometry, "jno.plugins.get('geometry', '{}')"),
        Kind("balancer", "jno.balancers", "loss balancer", AbstractBalancer, "jno.plugins.get('balancer', '{}')"),
        Kind("adapter", "jno.adapters", "adapter", "callable", "jno.plugins.get('adapter', '{}')"),
        Kind(
            "resampler",
            "jno.resamplers",
            "resampling strategy",
            AbstractResampler,
            "jno.plugins.get('resampler', '{}')",
        ),
        Kind("callback", "jno.callbacks", "callback", "class", "callbacks=['{}']"),
        Kind(
            "schedule",
            "jno.schedules",
            "learning-rate schedule",
            AbstractSchedule,
            "jno.plugins.get('schedule', '{}')",
        ),
        Kind("optimizer", "jno.optimizers", "optimizer", "callable", "jno.plugins.get('optimizer', '{}')"),
        Kind("search", "jno.searches", "search", "callable", "jno.plugins.get('search', '{}')"),
    )
    return MappingProxyType({kind.name: kind for kind in kinds})


KINDS: Mapping[str, Kind] = _kinds()


def kind_named(kinds: Mapping[str, Kind], name: str) -> Kind:
    """The kind of that name. Raises `JnoKeyError`."""
    if name in kinds:
        return kinds[name]
    near = nearest(name, kinds)
    hint = f" Did you mean {near!r}?" if near else ""
    raise JnoKeyError(f"Unknown kind of plugin {name!r}.{hint} The kinds are: {', '.join(map(repr, kinds))}.")


def is_family(name: str) -> bool:
    """Whether a name follows the grammar of families."""
    return _FAMILY.fullmatch(name) is not None


def near_group(group: str) -> str | None:
    """The group of jno that a misspelt one was probably meant to be, or `None`."""
    words = [kind.group.removeprefix("jno.") for kind in KINDS.values()]
    near = nearest(group.removeprefix("jno."), words)
    return None if near is None else f"jno.{near}"
