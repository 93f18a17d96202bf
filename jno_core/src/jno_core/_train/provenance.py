"""Where numbers come from: the versions of what computed them, and the devices that it ran on."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from jno_core._graph import walk
from jno_core._graph.derivative import AbstractDerivative
from jno_core._registry import registry
from jno_core._registry.metadata import installed_version
from jno_core._train.problem import Problem

_FOUNDATION = ("jno-core", "jax")


def versions_used(problem: Problem, others: Iterable[object] = ()) -> dict[str, str]:
    """The versions of jno-core, JAX and every plugin that the problem uses, by distribution.

    - `others`: objects besides the problem that took part, such as callbacks.
    """
    packages = {type(used).__module__.partition(".")[0] for used in (*_parts(problem), *others)}
    found = {
        status.record.dist: status.record.version
        for status in registry.records()
        if status.record.version and status.record.value.partition(":")[0].partition(".")[0] in packages
    }
    return {name: _version(name) for name in _FOUNDATION} | dict(sorted(found.items()))


@functools.cache
def _version(name: str) -> str:
    # Of what is imported, so that it stays what it is; each look-up reads files.
    return installed_version(name) or "unknown"


def _parts(problem: Problem) -> Iterator[object]:
    """The objects of plugins in a problem: schemes, balancers, schedules, the geometry."""
    derivatives = (node for node in walk.nodes(problem.program.roots) if isinstance(node, AbstractDerivative))
    for scheme in {node.scheme for node in derivatives}:
        yield scheme.resolve()
    for balance in problem.balances.values():
        yield balance.rule
    for model in problem.models.values():
        yield from (schedule for _, schedule in model.settings.scales)
    yield problem.domain.geometry


def described_devices(devices: Sequence[Any]) -> dict[str, Any]:
    """Platform, kind and number of devices, as the fields of a `RunLog`. No devices stand for JAX's default one."""
    used = list(devices) or list(jnp.zeros(()).devices())
    kinds = dict.fromkeys(device.device_kind for device in used)
    return {"platform": used[0].platform, "device_kind": ", ".join(kinds), "device_count": len(used)}
