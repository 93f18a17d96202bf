"""Checkpoints: the training state and the history as named arrays, and back again, bit for bit."""

import datetime
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jno_core._graph.weight_file import path_name
from jno_core._interfaces import CHECKPOINT_INDEX, AbstractCheckpointer, Checkpoint, TrainState
from jno_core._registry import Registry
from jno_core._train.checkpoint_problem import describe_array, describe_problem, differences, is_key, on_host
from jno_core._train.problem import Problem
from jno_core._train.run_log import RunLog
from jno_core._train.statistics_file import pack, unpack
from jno_core.errors import JnoError, JnoFileNotFoundError, JnoTypeError, JnoValueError

VERSION = 1
"""The version of what `snapshot` stores; a reader refuses newer ones."""

_HISTORY = "history/"


def snapshot(state: TrainState, problem: Problem, logs: Sequence[RunLog]) -> Checkpoint:
    """The state and the history `logs` up to it, copied to host memory.

    The arrays bear the paths of the state's leaves as names, such as `params/u/layers/0/weight`; PRNG keys are stored as
    their data. Where an array is spread over several processes, all of them must call this together.
    """
    leaves = dict(_named_leaves(state))
    keys = {name: str(jax.random.key_impl(leaf)) for name, leaf in leaves.items() if is_key(leaf)}
    arrays = {name: on_host(jax.random.key_data(leaf) if name in keys else leaf) for name, leaf in leaves.items()}
    history, recorded = pack(logs)
    last = next((log for log in reversed(logs) if len(log.total_loss)), None)
    step = int(arrays["epoch"])
    metadata = {
        "version": VERSION,
        "epoch": step,
        "total_loss": None if last is None else float(last.total_loss[-1]),
        "individual_losses": {} if last is None else dict(zip(last.terms, map(float, last.losses[-1]), strict=True)),
        "timestamp": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "keys": keys,
        "history": history,
        "problem": describe_problem(problem),
    }
    return Checkpoint(step, arrays | {_HISTORY + name: array for name, array in recorded.items()}, metadata)


def restored(checkpoint: Checkpoint, fresh: TrainState, problem: Problem) -> tuple[TrainState, tuple[RunLog, ...]]:
    """The state and the history of a checkpoint, for a problem whose state before the first step is `fresh`.

    Each array takes the type, device and sharding of the leaf of `fresh` that bears its name.

    Raises `JnoValueError` with the differences if the checkpoint belongs to another problem, and for one that is written
    by a newer jno or does not describe itself.
    """
    _check_entries(checkpoint)
    leaves = dict(_named_leaves(fresh))
    keys = {name: str(jax.random.key_impl(leaf)) for name, leaf in leaves.items() if is_key(leaf)}
    expected = {name: describe_array(jax.random.key_data(x) if name in keys else x) for name, x in leaves.items()}
    try:
        found = {n: describe_array(a) for n, a in checkpoint.arrays.items() if not n.startswith(_HISTORY)}
        listed = differences(
            expected | {f"{name} (generator)": impl for name, impl in keys.items()},
            found | {f"{name} (generator)": impl for name, impl in checkpoint.metadata["keys"].items()},
            describe_problem(problem),
            checkpoint.metadata["problem"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise JnoValueError(
            f"The checkpoint of epoch {checkpoint.step} does not describe a training run: {e!r}."
        ) from e
    if listed:
        raise JnoValueError(
            f"The checkpoint of epoch {checkpoint.step} belongs to another problem:\n"
            + "\n".join(f"  {line}" for line in listed)
            + "\nBuild the problem as it was to continue it, or leave resume_from out to start anew."
        )
    logs = tuple(unpack(checkpoint.metadata["history"], _history_arrays(checkpoint)))
    values = [_placed(checkpoint.arrays[name], leaf) for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(fresh), values), logs


def open_checkpoint(directory: str | Path, step: int | None, registry: Registry) -> Checkpoint:
    """The checkpoint of a step in a folder, or without one the newest that is whole.

    The folder names the callback that wrote it, which reads it again; nothing else of the folder decides what is run.

    Raises `JnoFileNotFoundError` where there is no checkpoint, `JnoValueError` for a damaged index, `JnoTypeError` for one
    that names a callback that reads no checkpoints, and the registry's errors for one that is not installed.
    """
    folder = Path(directory)
    index = folder / CHECKPOINT_INDEX
    if not index.is_file():
        what = "no such folder" if not folder.exists() else f"it has no {CHECKPOINT_INDEX}"
        raise JnoFileNotFoundError(
            f"There are no checkpoints in {str(folder)!r}: {what}. Give the folder that a run with callbacks=['checkpoint'] "
            "wrote, by default `checkpoints` in its run folder."
        )
    try:
        provider = json.loads(index.read_text("utf-8"))["provider"]
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise JnoValueError(f"The index of checkpoints {str(index)!r} is damaged: {e!r}.") from e
    if not isinstance(provider, str):
        raise JnoValueError(
            f"The index of checkpoints {str(index)!r} is damaged: its provider is {provider!r}, not a name."
        )
    try:
        reader = registry.get("callback", provider)
    except JnoError as e:
        e.add_note(f"while reading the checkpoints in {str(folder)!r}, which the callback {provider!r} wrote")
        raise
    if not (isinstance(reader, type) and issubclass(reader, AbstractCheckpointer)):
        raise JnoTypeError(
            f"The checkpoints in {str(folder)!r} name the callback {provider!r} as their reader, which reads no checkpoints; "
            "expected a class derived from jno_core.AbstractCheckpointer."
        )
    return reader.read(folder, step)


def _history_arrays(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    return {n.removeprefix(_HISTORY): a for n, a in checkpoint.arrays.items() if n.startswith(_HISTORY)}


def _check_entries(checkpoint: Checkpoint) -> None:
    types = {"version": int, "keys": dict, "history": list, "problem": dict}
    if not all(isinstance(checkpoint.metadata.get(name), kind) for name, kind in types.items()):
        raise JnoValueError(
            f"The checkpoint of epoch {checkpoint.step} does not describe a training run; expected the entries "
            f"{', '.join(types)}, got {', '.join(checkpoint.metadata) or 'none'}."
        )
    version = checkpoint.metadata["version"]
    if version > VERSION:
        raise JnoValueError(
            f"The checkpoint of epoch {checkpoint.step} has format version {version}; this jno reads versions up to "
            f"{VERSION}. Update it with: pip install --upgrade jno"
        )


def _named_leaves(state: TrainState) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        yield path_name(path), leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def _placed(value: np.ndarray, like: Any) -> Array:
    if is_key(like):
        key = jax.random.wrap_key_data(jnp.array(value), impl=jax.random.key_impl(like))
        return jax.device_put(key, like.sharding) if like.committed else key
    if like.committed:
        return jax.device_put(value, like.sharding)
    return jnp.array(value)
