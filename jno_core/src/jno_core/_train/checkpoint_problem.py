"""What a checkpoint says about its problem, and how two problems differ, in words."""

import functools
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from jno_core._graph import FunctionCall, Model, Placeholder, printing
from jno_core._graph.derivative import AbstractDerivative
from jno_core._registry.metadata import installed_version
from jno_core._train.problem import Problem

_SAMPLE = 4096
"""So many numbers of a fixed array stand for all of it: enough to tell another initialisation or training apart."""

_NAMED = 3
"""So many things of a kind are named in a list of differences, the others are counted."""


_LINES = 12
"""So many lines a list of differences has at most."""


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a typed PRNG key, whose bits `jax.random.key_data` gives."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def on_host(array: Any) -> np.ndarray:
    """A copy in host memory. Where an array is spread over several processes, all of them must call this together."""
    if isinstance(array, jax.Array) and not (array.is_fully_addressable or array.is_fully_replicated):
        array = multihost_utils.process_allgather(array, tiled=True)
    # On a CPU the array shares its memory with the device, which may use it again.
    return np.array(array)


def describe_array(array: Any) -> str:
    """Type and shape, such as `float32[64,2]`."""
    return f"{array.dtype.name}[{','.join(map(str, array.shape))}]"


def describe_problem(problem: Problem) -> dict[str, Any]:
    """The problem in words, of JSON types, and the same in every process that builds it.

    - `terms`: by name the formula of each loss, as the nodes of its tree; `trackers`: the interval of each.
    - `models`: the arrays of each network by path, and a checksum of those that are not trained.
    - `points`: the sizes of the point sets; `schemes`: what differentiates on which.
    - `version`: that of jno-core, on which the wording of formulas depends.
    """
    program = problem.program
    return {
        "terms": {t: _formula(c) for t, c in zip(problem.terms, problem.constraints, strict=True)},
        "trackers": {name: tracker.interval for name, tracker in problem.trackers.items()},
        "models": {name: _describe_model(model) for name, model in problem.models.items()},
        "points": {c.name: {"points": c.size, "times": c.times} for c in program.collocations},
        "schemes": [operator.name for operator in program.operators],
        "version": _version(),
    }


def differences(
    arrays: Mapping[str, str], stored_arrays: Mapping[str, str], problem: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[str]:
    """Lines that say how the stored problem differs from the present one; none if it does not.

    What does not belong to the course of training may differ: trackers, and the version.
    """
    frozen, stored_frozen = ({n: m["fixed"] for n, m in p["models"].items()} for p in (problem, stored))
    terms, stored_terms = problem["terms"], stored["terms"]
    lines = [
        *_named_differences("the loss", dict.fromkeys(terms, "term"), dict.fromkeys(stored_terms, "term")),
        *_order("losses", list(terms), list(stored_terms)),
        *(_formula_differences(terms, stored_terms) if problem["version"] == stored["version"] else ()),
        *_named_differences("the points", problem["points"], stored["points"]),
        *_named_differences("the state", arrays, stored_arrays),
        *(
            f"the fixed parameters of {name!r} have other values"
            for name in sorted(frozen.keys() & stored_frozen.keys())[:_NAMED]
            if frozen[name] != stored_frozen[name]
        ),
    ]
    return lines[:_LINES]


def _named_differences(what: str, here: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    missing = [f"{name!r} ({_short(here[name])})" for name in here if name not in stored]
    extra = [f"{name!r} ({_short(stored[name])})" for name in stored if name not in here]
    changed = [n for n in here if n in stored and here[n] != stored[n]]
    if missing:
        yield f"not in the checkpoint: {what} {_listed(missing)}"
    if extra:
        yield f"only in the checkpoint: {what} {_listed(extra)}"
    for name in changed[:1]:
        more = f"; {len(changed) - 1} more differ" if len(changed) > 1 else ""
        yield f"{what} {name!r} is {_short(here[name])}, in the checkpoint {_short(stored[name])}{more}"


def _order(what: str, here: Sequence[str], stored: Sequence[str]) -> Iterator[str]:
    if list(here) != list(stored):
        yield f"the {what} are {_listed(list(here))}, in the checkpoint {_listed(list(stored))}"


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return (", ".join(items[:_NAMED]) or "none") + more


def _short(value: Any) -> str:
    text = " x ".join(f"{n} {unit}" for unit, n in value.items()) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _formula_differences(here: Mapping[str, Sequence[str]], stored: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name in [n for n in here if n in stored and list(here[n]) != list(stored[n])][:_NAMED]:
        both = itertools.zip_longest(here[name], stored[name], fillvalue="nothing")
        ours, theirs = next((a, b) for a, b in both if a != b)
        yield f"the loss {name!r} has {_short(ours)!r} where that of the checkpoint has {_short(theirs)!r}"


def _formula(constraint: Placeholder) -> list[str]:
    nodes: list[str] = []

    def note(node: Placeholder) -> str:
        nodes.append(_described(node))
        return ""

    for _ in printing.tree_lines(constraint, note):
        pass
    return nodes


def _described(node: Placeholder) -> str:
    text = printing.head(node)
    if isinstance(node, AbstractDerivative):
        text += f", axes {node.request.axes}"
    if isinstance(node, FunctionCall):
        text += "".join(f", {arg!r}" for arg in (*node.args, *node.options) if not isinstance(arg, Placeholder))
    # The address of an object that has no name differs from process to process.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


@functools.cache
def _version() -> str:
    return installed_version("jno-core") or "unknown"


def _describe_model(model: Model) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model.module, eqx.is_array))
    trained = model.trainable_selection().filter(model.module)
    fixed = jax.tree.leaves(
        jax.tree.map(
            lambda leaf, taken: leaf if taken is None and eqx.is_array(leaf) else None,
            model.module,
            trained,
            is_leaf=lambda x: x is None,
        )
    )
    return {
        "arrays": {jax.tree_util.keystr(p, simple=True, separator="/"): describe_array(leaf) for p, leaf in leaves},
        "fixed": _sampled_checksum(fixed),
    }


def _sampled_checksum(arrays: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        values = on_host(jax.random.key_data(array) if is_key(array) else array)
        digest.update(describe_array(values).encode() + values.ravel()[:_SAMPLE].tobytes())
    return digest.hexdigest()
