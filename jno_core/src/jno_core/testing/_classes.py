"""Checks that hold for the object of every entry point, whatever its kind."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from jno_core.testing._check import require

_FOUNDATIONS = ("abc", "builtins", "collections", "equinox", "typing")
"""Packages whose classes are not held to the rules of plugins."""

_REFERENCE = re.compile(r"source|arxiv|doi|https?://|\b(1[789]|20)\d\d\b", re.IGNORECASE)


class ClassSuite:
    """Checks of a class as such: documented, abstract or final, constructed by keywords.

    - `plugin`: the class (or function) that the entry point names.
    - `arguments`: what its constructor needs, by keyword; nothing by default.
    """

    plugin: ClassVar[Any]
    arguments: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def test_docstring(self) -> None:
        """It has a docstring of its own that says what it is."""
        require(
            own_docstring(self.plugin).strip(),
            f"{self.plugin.__qualname__} has no docstring; its first sentence is what `jno plugins show` prints.",
        )

    def test_final(self) -> None:
        """A class that can be constructed is marked `typing.final` and overrides nothing but abstract methods."""
        plugin = self.plugin
        if not isinstance(plugin, type):
            pytest.skip("a function")
        # Set by typing.final; absent otherwise.
        marked = getattr(plugin, "__final__", False)
        require(marked, f"{plugin.__qualname__} is not marked with typing.final. Classes are either abstract or final.")
        overridden = [f"{base.__qualname__}.{name}" for base, name in _overridden(plugin)]
        require(
            not overridden,
            f"{plugin.__qualname__} overrides {', '.join(overridden)}. Only abstract methods are overridden, so that one "
            "place tells what a method does.",
        )

    def test_keywords(self) -> None:
        """Every argument can be given by its name, and none is swallowed."""
        for name, parameter in inspect.signature(self.plugin).parameters.items():
            require(
                parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY),
                f"The argument {name!r} of {self.plugin.__qualname__} cannot be given by its name ({parameter}).",
            )


class MethodSuite(ClassSuite):
    """Checks of a class whose instances each stand for a published method: constructible, immutable, with a source.

    - `plugin`: the class. The instance is `plugin(**arguments)`.
    """

    def make(self) -> Any:
        """The instance under test."""
        return constructed(self.plugin, self.arguments)

    def test_reference(self) -> None:
        """The docstring says where the method comes from."""
        require_reference(self.plugin)

    def test_constructor(self) -> None:
        """It can be constructed with its defaults or with the stated arguments."""
        require_constructible(self.plugin, self.arguments)
        self.make()

    def test_immutable(self) -> None:
        """It cannot be changed."""
        require_immutable(self.make())


def own_docstring(plugin: Any) -> str:
    """The docstring without what is inherited and without the signature that `dataclasses` writes; may be empty."""
    text = vars(plugin).get("__doc__") or "" if isinstance(plugin, type) else inspect.getdoc(plugin) or ""
    return "" if text.startswith(f"{plugin.__name__}(") else text


def require_reference(plugin: Any) -> None:
    """Fails unless the docstring says where the method comes from."""
    require(
        _REFERENCE.search(own_docstring(plugin)),
        f"The docstring of {plugin.__qualname__} names no source. Name the paper, book or formula, with its year or link.",
    )


def require_immutable(instance: Any) -> None:
    """Fails if an attribute can be set."""
    try:
        instance.set_by_the_conformance_kit = True
    except AttributeError:
        return
    raise AssertionError(
        f"An attribute of a {type(instance).__qualname__} can be set. Use a frozen dataclass or an equinox.Module."
    )


def missing_arguments(plugin: Any, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The arguments that the constructor needs and that are not given."""
    parameters = inspect.signature(plugin).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return tuple(p.name for p in needed if p.name not in arguments)


def require_constructible(plugin: Any, arguments: Mapping[str, Any]) -> None:
    """Fails if the constructor needs more than the stated arguments."""
    missing = missing_arguments(plugin, arguments)
    require(
        not missing,
        f"{plugin.__qualname__} needs {', '.join(missing)}, so nothing of it was checked. State examples as `arguments` of "
        "a suite and pass the suite to plugin_checks(..., suites={'KIND:NAME': TheSuite}).",
    )


def constructed(plugin: Any, arguments: Mapping[str, Any]) -> Any:
    """An instance; skips if the constructor needs more than is stated, which `test_constructor` reports."""
    if missing_arguments(plugin, arguments):
        pytest.skip("cannot be constructed; see constructor")
    return plugin(**arguments)


def _overridden(plugin: type) -> Iterator[tuple[type, str]]:
    lineage = [c for c in plugin.__mro__ if c.__module__.split(".")[0] not in _FOUNDATIONS]
    for position, base in enumerate(lineage):
        abstract = getattr(base, "__abstractmethods__", frozenset())
        fields = {field.name for field in dataclasses.fields(base)} if dataclasses.is_dataclass(base) else set()
        below = {name for cls in lineage[:position] for name in vars(cls)}
        for name, member in vars(base).items():
            dunder = name.startswith("__") and name.endswith("__")
            if name in below and not dunder and name not in abstract and name not in fields and _is_method(member):
                yield base, name


def _is_method(member: object) -> bool:
    return callable(member) or isinstance(member, property | classmethod | staticmethod | functools.cached_property)
