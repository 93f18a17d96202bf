"""Reading: descriptions become values again. Nothing here imports a module or looks up a name that the file chose freely."""

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np

from jno_core._graph import Placeholder
from jno_core._saving.known import Known
from jno_core._saving.rules import Rule
from jno_core.errors import JnoValueError


@final
class Reader:
    """What one file holds, rebuilt on demand; each shared object once.

    - `known`: the classes and functions that names in the file may stand for.
    - `modules`: networks that take the place of stored ones, by name.
    - `notes`: what could not be rebuilt and was left out, in words.
    - `unknown`: names of functions of which the file has nothing but the name, and which are not known here.
    """

    def __init__(
        self,
        rules: tuple[Rule, ...],
        rebuild_node: Callable[[Any, Any], Placeholder],
        content: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        known: Known,
        modules: Mapping[str, Any],
    ) -> None:
        self.known = known
        self.modules = modules
        self.notes: list[str] = []
        self.unknown: list[str] = []
        self._rebuild_node = rebuild_node
        self._rules = {rule.tag: rule for rule in rules}
        self._content = content
        self._arrays = arrays
        self._objects: dict[int, Any] = {}
        self._nodes: dict[int, Placeholder] = {}
        self._converted: dict[str, Any] = {}
        self._incomplete: list[tuple[Rule, Any, Any]] = []

    def rebuild(self, description: Any) -> Any:
        """The value of a description.

        Raises `JnoValueError` for what is none, and `NotRebuiltError` for a class or function that is not known here.
        """
        if isinstance(description, list):
            return [self.rebuild(item) for item in description]
        if not isinstance(description, dict):
            return description
        if len(description) != 1:
            raise JnoValueError(f"A description has one tag, got {sorted(description)}.")
        [(tag, data)] = description.items()
        if tag == "shared":
            return self._shared(data)
        return self._rule(tag).rebuild(self, data)

    def array(self, name: Any) -> np.ndarray:
        """A stored array."""
        return self._arrays[name]

    def converted(self, name: str, convert: Callable[[], Any]) -> Any:
        """What is made of a stored array, once: what was one object is one again."""
        if name not in self._converted:
            self._converted[name] = convert()
        return self._converted[name]

    def node(self, number: Any) -> Placeholder:
        """A node of the graph."""
        if number not in self._nodes:
            description = _entry(self._content["nodes"], number)
            self._nodes[number] = self._rebuild_node(self, description)
        return self._nodes[number]

    def graph(self) -> None:
        """Rebuild all nodes, in an order that needs no recursion."""
        for number in range(len(self._content["nodes"])):
            self.node(number)

    def finish(self) -> None:
        """Complete the shared objects, after which the reader has done its work."""
        while self._incomplete:
            rule, value, data = self._incomplete.pop(0)
            if rule.complete is not None:
                rule.complete(self, value, data)

    def _shared(self, number: Any) -> Any:
        if number not in self._objects:
            description = _entry(self._content["objects"], number)
            [(tag, data)] = description.items()
            rule = self._rule(tag)
            self._objects[number] = rule.rebuild(self, data)
            self._incomplete.append((rule, self._objects[number], data))
        return self._objects[number]

    def _rule(self, tag: str) -> Rule:
        if tag not in self._rules:
            raise JnoValueError(f"There is no rule {tag!r} in this jno.")
        return self._rules[tag]


def _entry(entries: Any, number: Any) -> Any:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(entries):
        raise JnoValueError(f"There is no entry {number!r} among {len(entries)}.")
    return entries[number]
