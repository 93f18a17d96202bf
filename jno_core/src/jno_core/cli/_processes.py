"""Several processes, on one host or many, that run one script as one program."""

import os
from collections.abc import Mapping

import jax

_NAMES = ("JNO_COORDINATOR", "JNO_NUM_PROCESSES", "JNO_PROCESS_ID")


def join_processes(
    coordinator: str | None,
    count: int | None,
    number: int | None,
    environment: Mapping[str, str] = os.environ,
) -> str | None:
    """Join the other processes, if there are any: JAX then sees the devices of all. Returns what is wrong, else `None`.

    What an argument leaves open the environment says: JNO_COORDINATOR, JNO_NUM_PROCESSES, JNO_PROCESS_ID. Without any of them
    this process is alone.
    """
    given = (coordinator, count, number)
    texts = [environment.get(name) if value is None else str(value) for name, value in zip(_NAMES, given, strict=True)]
    address, *numbers = texts
    if not any(texts):
        return None
    if address is None or None in numbers:
        return (
            "several processes need all of --coordinator, --num-processes and --process-id "
            f"(or {', '.join(_NAMES)}); got {', '.join(map(repr, texts))}."
        )
    if not all(text is not None and text.isdecimal() for text in numbers):
        return f"the number of processes and the process's own must be integers; got {numbers[0]!r} and {numbers[1]!r}."
    processes, own = (int(text or 0) for text in numbers)
    if not own < processes:
        return f"process {own} of {processes} processes: they are numbered from 0 to {processes - 1}."
    if ":" not in address:
        return f"--coordinator takes HOST:PORT, as in 10.0.0.1:1234; got {address!r}."
    jax.distributed.initialize(address, processes, own)
    return None
