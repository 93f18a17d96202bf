"""Writing: values become descriptions of JSON types, arrays go aside under stable names, shared objects are stored once."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np

from jno_core._graph import Placeholder
from jno_core._registry.record import PluginRecord
from jno_core._saving.errors import NotDataError
from jno_core._saving.rules import Rule


@final
class Writer:
    """Collects what one file holds.

    - `arrays`: by name.
    - `objects`: descriptions of objects that several places share, such as networks and domains.
    - `nodes`: descriptions of the nodes of the graph, children before parents.
    - `plugins`: the plugins that the content needs.
    - `geometries`: geometries whose functions may appear in the graph.
    - `model_names`: what the problem calls its networks, by their `id`.
    - `notes`: what is stored in part only, in words.

    A description is JSON: numbers, strings, truth values and lists stand for themselves, everything else is an object with
    one entry, whose name is the tag of the rule that reads it.
    """

    def __init__(self, rules: tuple[Rule, ...], describe_node: Callable[[Any, Placeholder], Any]) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.objects: list[Any] = []
        self.nodes: list[Any] = []
        self.plugins: dict[PluginRecord, None] = {}
        self.geometries: list[Any] = []
        self.notes: list[str] = []
        self.model_names: dict[int, str] = {}
        self._rules = rules
        self._describe_node = describe_node
        self._names: dict[int, str] = {}
        self._taken: dict[str, int] = {}
        self._numbers: dict[int, int] = {}
        self._node_numbers: dict[Placeholder, int] = {}
        # Addresses stand for objects as long as these live.
        self._kept: list[Any] = []

    def describe(self, value: Any, where: str) -> Any:
        """The description of a value. `where` names its place in the file, and the arrays in it.

        Raises `NotDataError` for what no rule describes.
        """
        if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
            return value
        if type(value) is list:
            return [self.describe(item, f"{where}/{i}") for i, item in enumerate(value)]
        for rule in self._rules:
            if rule.applies(value):
                if rule.shared:
                    return {"shared": self._share(rule, value, where)}
                return {rule.tag: rule.describe(self, value, where)}
        raise NotDataError(f"{where} is {value!r} of type {type(value).__name__}, which is no data.")

    def array(self, value: Any, where: str) -> str:
        """The name under which an array is stored; one object is stored once."""
        if id(value) not in self._names:
            name, copies = where, 1
            while name in self.arrays:
                copies += 1
                name = f"{where}#{copies}"
            host = np.asarray(value)
            if host.dtype.kind not in "biufcV":
                raise NotDataError(f"{where} is an array of type {host.dtype}, which is no data.")
            self._names[id(value)] = name
            self._kept.append(value)
            self.arrays[name] = host
        return self._names[id(value)]

    def node(self, root: Placeholder) -> int:
        """The number of a node in `nodes`."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self._node_numbers:
                stack.pop()
                continue
            missing = [child for child in node.children() if child not in self._node_numbers]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            description = self._describe_node(self, node)
            self._node_numbers[node] = len(self.nodes)
            self.nodes.append(description)
        return self._node_numbers[root]

    def shared_description(self, value: Any) -> Any:
        """The description of a shared object, to be added to; `None` if it is none."""
        number = self._numbers.get(id(value))
        return None if number is None else next(iter(self.objects[number].values()))

    def unique(self, name: str) -> str:
        """The name, with a number if it was asked for before."""
        self._taken[name] = self._taken.get(name, 0) + 1
        return name if self._taken[name] == 1 else f"{name}#{self._taken[name]}"

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """What was collected inside is dropped again when it raises."""
        before = (dict(self.arrays), list(self.objects), list(self.nodes), dict(self.plugins))
        known = (dict(self._names), dict(self._numbers), dict(self._node_numbers))
        try:
            yield
        except NotDataError:
            self.arrays, self.objects, self.nodes, self.plugins = before
            self._names, self._numbers, self._node_numbers = known
            raise

    def _share(self, rule: Rule, value: Any, where: str) -> int:
        if id(value) not in self._numbers:
            number = len(self.objects)
            # Before it is described, because objects may refer to each other in circles.
            self._numbers[id(value)] = number
            self._kept.append(value)
            self.objects.append(None)
            self.objects[number] = {rule.tag: rule.describe(self, value, where)}
        return self._numbers[id(value)]
