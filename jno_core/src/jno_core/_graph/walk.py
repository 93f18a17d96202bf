"""Walking a graph through the node protocol."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import final

from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import Collocation, TensorTag, Variable


def _children(node: Placeholder) -> Sequence[Placeholder]:
    return node.children()


def nodes(
    roots: Iterable[Placeholder], children: Callable[[Placeholder], Sequence[Placeholder]] = _children
) -> Iterator[Placeholder]:
    """Every node below the roots once, parents before children, left to right. Deep graphs are fine.

    `children` tells where to go on from a node.
    """
    seen: set[Placeholder] = set()
    stack = list(reversed(list(roots)))
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack.extend(reversed(children(node)))


def collocations(
    roots: Iterable[Placeholder], children: Callable[[Placeholder], Sequence[Placeholder]] = _children
) -> tuple[Collocation, ...]:
    """The point sets that the roots read, in the order of first appearance; `children` as in `nodes`."""
    found: dict[Collocation, None] = {}
    for node in nodes(roots, children):
        read = node.collocation if isinstance(node, Variable | TensorTag) else None
        if read is not None:
            found.setdefault(read)
    return tuple(found)


def transform(root: Placeholder, replace: Callable[[Placeholder], Placeholder | None]) -> Placeholder:
    """The graph with nodes replaced where `replace` returns one; shared nodes stay shared."""
    done: dict[Placeholder, Placeholder] = {}
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if not ready:
            new = replace(node)
            if new is not None:
                done[node] = new
                continue
            stack.append((node, True))
            stack.extend((child, False) for child in node.children())
        else:
            old = node.children()
            new_children = tuple(done[child] for child in old)
            unchanged = all(a is b for a, b in zip(old, new_children, strict=True))
            done[node] = node if unchanged else node.rebuild(new_children)
    return done[root]


@final
class Interner:
    """Numbers for nodes such that equal structure means equal number."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._of: dict[Placeholder, int] = {}

    def number(self, root: Placeholder) -> int:
        """The number of a node's structure."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self._of:
                stack.pop()
                continue
            missing = [child for child in node.children() if child not in self._of]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            key = (type(node), node.key(), tuple(self._of[child] for child in node.children()))
            self._of[node] = self._numbers.setdefault(key, len(self._numbers))
        return self._of[root]
