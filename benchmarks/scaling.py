"""Steps on one, two and four devices, and what streams from the host or a file.

    python -m benchmarks.scaling [--rounds 5] [--gigabytes 4] [--out benchmarks/results/scaling]

Devices are simulated by one process: the cores are bound to it, so that n devices have n cores. Each number of devices needs
a process of its own, because JAX fixes it when it starts; the processes take turns. The rows of streams tell the peak of the
process's memory beside the time of a step.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.measure import Timing

PROBLEM = """
import json, resource, sys, time
import equinox as eqx, jax, jax.numpy as jnp, numpy as np, optax
import jno

def network(inputs):
    return jno.nn.wrap(eqx.nn.MLP(inputs, 1, 64, 4, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))

def timed(crux, steps, **options):
    crux.solve(steps, **options)
    history = crux.solve(steps, **options)
    took = 1e3 * history.training_logs[-1]["training_time"] / steps
    print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))
"""

POISSON = """
n = int(sys.argv[1])
rng = np.random.default_rng(0)
x, y, _ = jno.domain.from_array({"interior": rng.random((n, 2))}).variable("interior")
u = network(2)(x, y)
timed(jno.core([(-u.laplacian(x, y) - 1).mse], mesh=None), 20)
"""

STREAM = """
path, instances, size, offload = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
fields = np.memmap(path, np.float32, "r", shape=(instances, size))
domain = instances * jno.domain.from_array({"interior": np.linspace(0, 1, 64)[:, None]})
x, _ = domain.variable("interior")
k = domain.variable("k", fields, per="instance")
timed(jno.core([(network(1)(x) - k.mean).mse]), 100, batchsize=16, offload_data=offload)
"""


def measured(code: str, *arguments: Any, devices: int) -> tuple[float, float]:
    """Milliseconds of a step and the peak memory in GiB, of one process with so many devices and cores."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    if devices > 1:
        flags += " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    cores = sorted(os.sched_getaffinity(0))[:devices]
    done = subprocess.run(
        [sys.executable, "-c", PROBLEM + code, *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": flags},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=True,
    )
    took, memory = json.loads(done.stdout.splitlines()[-1])
    return took, memory


def devices(points: int, rounds: int) -> report.Line:
    """Poisson's equation on one, two and four devices in turns."""
    counts = [n for n in (1, 2, 4) if n <= len(os.sched_getaffinity(0))]
    times: dict[int, list[float]] = {n: [] for n in counts}
    for _ in range(rounds):
        for n in counts:
            times[n].append(measured(POISSON, points, devices=n)[0])
    timings = {f"{n} devices" if n > 1 else "1 device": Timing(tuple(t)) for n, t in times.items()}
    return report.Line(f"poisson-{points}", f"2-D Poisson, {points:,} points, 4 x 64", timings)


def stream(gigabytes: float, rounds: int, folder: Path) -> report.Line:
    """A step on 16 of 2,048 instances, whose fields are in memory or in a file."""
    instances = 2048
    size = int(gigabytes * 2**30 / 4 / instances)
    path = folder / "fields.bin"
    with path.open("wb") as file:
        for i in range(instances):
            file.write(np.random.default_rng(i).random(size, np.float32).tobytes())
    timings = {}
    for name, offload in (("resident", False), ("streamed", True)):
        found = [measured(STREAM, path, instances, size, offload, devices=1) for _ in range(rounds)]
        peak = max(memory for _, memory in found)
        timings[name] = Timing(tuple(t for t, _ in found), None, f"peak {peak:.2f} GiB")
        print(name, timings[name], flush=True)
    return report.Line(f"stream-{gigabytes:g}", f"fields of {gigabytes:g} GiB, 16 instances a step", timings)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--gigabytes", type=float, default=4.0, help="size of the file; the folder for temporary files has it"
    )
    parser.add_argument("--out", default="benchmarks/results/scaling", help="path without ending")
    options = parser.parse_args()
    lines = [devices(points, options.rounds) for points in (10_000, 100_000)]
    with tempfile.TemporaryDirectory() as folder:
        lines.append(stream(options.gigabytes, min(options.rounds, 3), Path(folder)))
    pairs = (("2 devices", "1 device"), ("4 devices", "1 device"), ("streamed", "resident"))
    report.write(options.out, "Scaling", lines, pairs, {"rounds": options.rounds})


if __name__ == "__main__":
    main()
