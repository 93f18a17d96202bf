"""Expressions as fields at the nodes of a mesh, for files that other programs show."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from jno_core._domain import Domain
from jno_core._graph import Placeholder, as_node, walk
from jno_core.errors import JnoTypeError, JnoValueError


def nodal_fields(
    operation: Any, domain: Domain, evaluate: Callable[[list[Placeholder], Domain], Any]
) -> dict[str, np.ndarray]:
    """The values of expressions at all nodes of the domain's mesh, by name: `(n,)` or `(n, k)`, NaN off their tag.

    `operation` is an expression or a mapping of names to such. Of several instances or times each has a field of its own,
    `"u_instance1_t0.5"`; of complex values real and imaginary part have, `"u_real"` and `"u_imaginary"`.

    Raises `JnoValueError` without a mesh, and for an expression that is no field on one point set.
    """
    named = operation if isinstance(operation, Mapping) else {_name(operation): operation}
    if not named or not all(isinstance(name, str) and name for name in named):
        raise JnoTypeError(f"export_vtu takes an expression or a mapping of names to expressions, got {operation!r}.")
    if domain.mesh is None:
        raise JnoValueError("export_vtu needs a mesh, and the domain has none: domain.build_mesh(mesh_size).")
    nodes = {name: as_node(value) for name, value in named.items()}
    tags = {name: _tag(name, node) for name, node in nodes.items()}
    # A copy has no point sets, so that all nodes of a tag are drawn.
    values = evaluate(list(nodes.values()), domain.copy())
    values = values if len(nodes) > 1 else [values]
    found: dict[str, np.ndarray] = {}
    for (name, node), value in zip(nodes.items(), values, strict=True):
        for label, array in _separated(name, np.asarray(value), node.aval.ndim, domain):
            found[label] = _spread(array, domain, tags[name])
    return found


def _name(operation: Any) -> str:
    return (operation.label or repr(operation)) if isinstance(operation, Placeholder) else repr(operation)


def _tag(name: str, node: Placeholder) -> str:
    sets = [c for c in walk.collocations([node]) if c.rule is None]
    if len(sets) != 1 or not node.aval.ndim or node.aval.shape[0] != sets[0].size:
        raise JnoValueError(
            f"{name!r} has the shape {node.aval.shape} on {len(sets)} point sets; a field has a value at each point of one."
        )
    return "interior" if sets[0].tag == "initial" else sets[0].tag


def _separated(name: str, value: np.ndarray, rank: int, domain: Domain) -> Iterator[tuple[str, np.ndarray]]:
    """The fields of each instance and time; `rank` is that of one."""
    timed = value.ndim == rank + 2
    by_time = value if timed else value[:, None]
    for i, instance in enumerate(by_time):
        for k, field in enumerate(instance):
            marks = [f"instance{i}"] * (len(by_time) > 1) + [f"t{domain.times[k]:g}"] * timed
            label = "_".join([name, *marks])
            if np.iscomplexobj(field):
                yield f"{label}_real", field.real
                yield f"{label}_imaginary", field.imag
            else:
                yield label, field


def _spread(values: np.ndarray, domain: Domain, tag: str) -> np.ndarray:
    """Values at the nodes of a tag as values at all nodes."""
    assert domain.mesh is not None
    nodes = domain.mesh.nodes(tag)
    rows = values.reshape(len(nodes), -1).astype(np.float64)
    spread = np.full((len(domain.mesh.points), rows.shape[1]), np.nan)
    spread[nodes] = rows
    return spread[:, 0] if rows.shape[1] == 1 else spread
