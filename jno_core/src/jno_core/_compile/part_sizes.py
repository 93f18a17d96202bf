"""In parts of what size the points are taken, and how many of them stand side by side.

On a processor, what is stored for the parts that are taken at once should stay in its caches, and keep all cores busy. On an
accelerator only memory is a bound.
"""

import dataclasses
import os
from typing import final

import jax

from jno_core._compile.concurrency import Work, abreast, points_abreast, points_in_turn

WORKING_SET = 10 * 2**20
"""Bytes for each core that what is stored for one part, or for those side by side, takes together. Larger parts leave the
caches, smaller ones start more operations than they save."""

MOST_SETS = 4
"""So many times the working set is taken at most to keep all cores busy."""

SMALLEST = 64
"""Smaller parts cost more in starting each operation than they save."""

EVEN = 2
"""The parts have a multiple of so many rows: with an odd number, XLA's loops take up to a tenth longer."""


@final
@dataclasses.dataclass(frozen=True)
class ChunkPlan:
    """How point sets shall be divided.

    - `rows`: the size of a part as the user wants it, or `None`: as many as keep to the working set.
    - `whole`: take all points of a step in one part.
    - `batch`: how many points of each set a step takes, or `None`: all.
    - `window`: the number of time steps at each point.
    - `devices`: the number of devices that share the rows of a part.
    - `abreast`: how many parts may stand side by side.
    """

    rows: int | None = None
    whole: bool = False
    batch: int | None = None
    window: int = 1
    devices: int = 1
    abreast: int = 1


def arranged(points: int, point_bytes: int, instances: int, work: Work, plan: ChunkPlan) -> tuple[int, int]:
    """In how many turns the points are taken at least, and how many parts of them stand side by side in each.

    A size that the user names is a bound, one that is chosen here is about what fits.
    """
    if plan.whole:
        return 1, 1
    if plan.rows is not None:
        return -(-points // plan.rows), 1
    repeated = plan.window * instances
    cached = plan.devices * (working_set() // max(1, point_bytes * repeated))
    # Parts that keep all cores busy win more than what no longer fits loses.
    busy = min(points_in_turn(work, cores()) / repeated, MOST_SETS * cached)
    fitting = max(SMALLEST, cached, busy)
    least = points_abreast(work, plan.abreast)
    turns = max(1, round(points / (least if fitting < least <= 2 * fitting else fitting)))
    return turns, abreast(plan.window * points // turns, work, plan.abreast)


def rows_of_parts(points: int, turns: int, beside: int, plan: ChunkPlan) -> int:
    """How many rows each part has, the same on each device, if there are about so many turns. All parts are full if that is
    possible."""
    among = plan.devices * beside * (1 if plan.rows or plan.whole else EVEN)
    candidates = range(turns, turns + turns // 4 + 1)
    exact = next((n for n in candidates if points % (n * among) == 0), turns)
    return -(-points // (exact * among)) * among // beside


def working_set() -> int:
    """The bytes of one part on one device. An accelerator is fast with many points at once: only its memory is a bound."""
    devices = jax.local_devices()
    memory = devices[0].memory_stats()
    return memory["bytes_limit"] // 8 if memory else WORKING_SET * cores() // len(devices)


def cores() -> int:
    """The processor cores that one part is divided among: none where an accelerator evaluates it."""
    return 0 if jax.local_devices()[0].memory_stats() else os.cpu_count() or 1
